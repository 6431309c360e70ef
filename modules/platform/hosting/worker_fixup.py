"""What Celery's workers do otherwise than by Celery's own fixup for Django.

They keep their pools of database connections between two tasks. Celery's ends the pools before and
after every task, so that each task connects anew: 46 of an order's 97 ms of CPU were PostgreSQL's,
two thirds of it sessions that came and went.

And they run no system checks when they start: those load every view and the admin, which no task
needs, and say what was so when the code was checked.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.fixups.django import DjangoFixup, DjangoWorkerFixup
from django.db import close_old_connections


class WorkerFixup(DjangoWorkerFixup):
    """Gives connections back to their pools after each task; a broken one is dropped there. Checks
    nothing at the start.
    """

    def validate_models(self) -> None:
        self.django_setup()

    def close_database(self, **kwargs: Any) -> None:
        close_old_connections()


class Fixup(DjangoFixup):
    """Celery's Django fixup with ``WorkerFixup`` in it, made when a worker first needs it."""

    _worker_fixup: DjangoWorkerFixup | None

    @property
    def worker_fixup(self) -> DjangoWorkerFixup:
        if self._worker_fixup is None:
            self._worker_fixup = WorkerFixup(self.app)
        return self._worker_fixup


def fixup(app: Celery) -> DjangoFixup:
    """What ``Celery(fixups=[...])`` calls."""
    return Fixup(app).install()
