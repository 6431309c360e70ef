"""Work for the outside world, started only when the intent is committed."""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog
from django.db import transaction

from modules.platform.databases import alias_of
from modules.platform.messaging.broker import told
from modules.platform.messaging.carrier import carrier
from modules.platform.messaging.crashpoints import crash_point

log = structlog.get_logger(__name__)


def after_commit(module: str, task: Any, *args: Any, **kwargs: Any) -> None:
    """Have a worker of ``module`` run the Celery ``task`` once the open transaction commits.

    The second phase of outside work: the intent is a committed row, the task makes the call with
    an idempotency key and commits the result. The task may get lost with the broker: errors are
    logged only, and a sweeper of the module must find intents that nobody took up.
    """
    transaction.on_commit(partial(_start, module, task, args, kwargs), using=alias_of(module))


def _start(module: str, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    crash_point("task.before_send")
    try:
        carrier().call(module, task, args, kwargs)
    except Exception as error:  # kombu, redis and amqp have no common root
        log.warning("bus.task_not_sent", module=module, task=task.name, error=told(error))
    crash_point("task.after_send")
