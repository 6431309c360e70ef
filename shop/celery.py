"""The Celery app: carries the bus and runs the modules' periodic work."""

import os

from celery import Celery
from celery.schedules import schedule
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.dev")
app = Celery("ficus", fixups=["shop.worker_databases:fixup"])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_finalize.connect
def plan_periodic_work(sender: Celery, **_: object) -> None:
    """Enter each module's SCHEDULE (task name to timedelta) into beat."""
    from importlib import import_module
    from importlib.util import find_spec

    plans = [f"modules.{module}.tasks" for module in settings.FICUS_MODULES]
    plans += [
        "modules.platform.messaging.tasks",
        "modules.platform.sagas.tasks",
        "modules.platform.rest.tasks",
    ]
    for name in plans:
        if find_spec(name) is None:
            continue
        for task, every in getattr(import_module(name), "SCHEDULE", {}).items():
            sender.conf.beat_schedule[task] = {"task": task, "schedule": schedule(every)}
