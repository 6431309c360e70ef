"""The timer that wakes a saga at its next try or deadline."""

from __future__ import annotations

from uuid import UUID

from modules.platform.messaging import TimerFired, after_commit, on_timer
from modules.platform.sagas import store
from modules.platform.sagas.definition import Definition, define
from modules.platform.sagas.recording import WAKE


def register(definition: Definition) -> None:
    """Let this process run sagas of this sort. Called in the module's ``AppConfig.ready()``."""
    define(definition)
    on_timer(definition.module, WAKE, wake)


def wake(timer: TimerFired) -> None:
    """Send the saga to a worker, unless it has changed since the timer was set."""
    from modules.platform.sagas.tasks import run_saga

    saga, version = store.load(timer.module, UUID(timer.key)), timer.payload["version"]
    if saga is not None and saga.version == version:
        after_commit(timer.module, run_saga, timer.module, timer.key, version)
