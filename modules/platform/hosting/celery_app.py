"""A host's Celery app: carries the bus and runs its modules' periodic work."""

from __future__ import annotations

import os
from importlib import import_module

from celery import Celery, Task
from celery.schedules import schedule
from django.conf import settings

from modules.platform.contracts import Fenced, Moved
from modules.platform.hosting.host import Host
from modules.platform.hosting.rooms import rooms
from modules.platform.messaging import channel, taking

PLATFORM = (
    "modules.platform.messaging.tasks",
    "modules.platform.sagas.tasks",
    "modules.platform.rest.tasks",
)


class HostTask(Task):
    """A module that is being moved may refuse what a task writes. That is no fault: whoever has
    the module takes up what was left, so it is logged as expected, in one line.
    """

    abstract = True
    throws = (Fenced, Moved)


def celery_app(host: Host) -> Celery:
    """The app, which reads the Django settings in force (development's, if none are)."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{host.package}.settings.dev")
    fixup = "modules.platform.hosting.worker_fixup:fixup"
    app = Celery(host.name, fixups=[fixup], task_cls=HostTask)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()
    app.on_after_finalize.connect(_plan_periodic_work)
    taking.install(app)
    channel.install()
    return app


def _plan_periodic_work(sender: Celery, **_: object) -> None:
    """Enter each module's SCHEDULE (task name to timedelta) into beat."""
    plans = [*rooms(settings.FICUS_MODULES, "tasks"), *map(import_module, PLATFORM)]
    for plan in plans:
        for task, every in getattr(plan, "SCHEDULE", {}).items():
            sender.conf.beat_schedule[task] = {"task": task, "schedule": schedule(every)}
