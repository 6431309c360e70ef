"""A host's Celery app: carries the bus and runs its modules' periodic work."""

from __future__ import annotations

import os
from importlib import import_module

from celery import Celery
from celery.schedules import schedule
from django.conf import settings

from modules.platform.hosting.host import Host
from modules.platform.hosting.rooms import rooms
from modules.platform.messaging import taking

PLATFORM = (
    "modules.platform.messaging.tasks",
    "modules.platform.sagas.tasks",
    "modules.platform.rest.tasks",
)


def celery_app(host: Host) -> Celery:
    """The app, which reads the Django settings in force (development's, if none are)."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{host.package}.settings.dev")
    app = Celery(host.name, fixups=["modules.platform.hosting.worker_fixup:fixup"])
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()
    app.on_after_finalize.connect(_plan_periodic_work)
    taking.install(app)
    return app


def _plan_periodic_work(sender: Celery, **_: object) -> None:
    """Enter each module's SCHEDULE (task name to timedelta) into beat."""
    plans = [*rooms(settings.FICUS_MODULES, "tasks"), *map(import_module, PLATFORM)]
    for plan in plans:
        for task, every in getattr(plan, "SCHEDULE", {}).items():
            sender.conf.beat_schedule[task] = {"task": task, "schedule": schedule(every)}
