"""Timers: rows that a module's handler gets when their time has come.

Never Celery's ``eta`` or ``countdown``: they fill the workers' memory and die with them.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import UTC, datetime
from random import SystemRandom
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import structlog

from modules.platform.contracts import Envelope
from modules.platform.contracts.codec import decode, encode
from modules.platform.databases import atomic
from modules.platform.messaging import failures, metrics
from modules.platform.messaging.authority import refused
from modules.platform.messaging.context import headers_now, on_behalf_of, read_headers
from modules.platform.messaging.crashpoints import crash_point
from modules.platform.messaging.database import execute, row
from modules.platform.messaging.errors import NoTimerHandler

T = TypeVar("T")
log = structlog.get_logger(__name__)
random = SystemRandom()
FIRING_SECONDS = 5.0  # of a task that may take 12


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A timer whose time has come. ``payload`` is what was scheduled, as JSON data."""

    module: str
    type: str
    key: str
    due_at: datetime
    payload: Mapping[str, Any]

    def read(self, as_type: builtins.type[T]) -> T:
        """The payload as the dataclass that was scheduled. Raises CodecError."""
        return decode(encode(self.payload), as_type)


TimerHandler = Callable[[TimerFired], None]
_handlers: dict[tuple[str, str], TimerHandler] = {}

_SCHEDULE = """
INSERT INTO bus_timer (type, key, due_at, payload, headers) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (type, key) DO UPDATE
SET due_at = excluded.due_at, payload = excluded.payload, headers = excluded.headers,
    state = 'due', attempts = 0, error = ''
"""
_CANCEL = "DELETE FROM bus_timer WHERE type = %s AND key = %s"
# SKIP LOCKED: two workers may fire; each takes its own timers.
_TAKE = """
SELECT id, type, key, due_at, payload::text, headers::text, attempts FROM bus_timer
WHERE state = 'due' AND due_at <= clock_timestamp() + %s::interval
ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_FIRED = "DELETE FROM bus_timer WHERE id = %s"
_FAILED = """
UPDATE bus_timer SET state = %s, attempts = attempts + 1, error = %s,
    due_at = CASE WHEN %s::interval IS NULL THEN due_at ELSE clock_timestamp() + %s::interval END
WHERE id = %s
"""


def on_timer(module: str, type: str, handler: TimerHandler) -> None:
    """Let ``handler`` get the timers of ``type`` in ``module``. Called in ``AppConfig.ready()``."""
    _handlers[module, type] = handler


def schedule(module: str, *, key: str, type: str, payload: object, due_at: datetime) -> None:
    """Set the timer ``(type, key)``, or set it anew; it fires once, at ``due_at`` or soon after.

    Takes part in the open transaction of ``module``. ``payload`` is a frozen dataclass or a dict
    of scalars. Raises ``ValueError`` for a naive ``due_at``.
    """
    if due_at.tzinfo is None:
        raise ValueError(f"timer {type} {key}: due_at must be aware UTC")
    data = encode(payload if is_dataclass(payload) else dict(_mapping(payload))).decode()
    execute(module, _SCHEDULE, [type, key, due_at, data, headers_now()])


def cancel(module: str, *, key: str, type: str) -> bool:
    """Remove the timer; False when it had fired or never was."""
    return execute(module, _CANCEL, [type, key]) > 0


def fire_due(
    module: str, *, ahead: float = 0.0, limit: int = 100, seconds: float = FIRING_SECONDS
) -> int:
    """Fire what is due in ``module``, each timer in a transaction of its own; how many.

    ``ahead`` seconds are added to the clock, for tests. After ``limit`` timers, or after
    ``seconds``, the rest is left to the relay's next word: the task that does this has a limit.
    """
    fired, until = 0, time.monotonic() + seconds
    while fired < limit and (not fired or time.monotonic() < until) and _fire_one(module, ahead):
        fired += 1
    return fired


def _fire_one(module: str, ahead: float) -> bool:
    crash_point("timer.begin")
    with atomic(module):
        found = row(module, _TAKE, [f"{ahead} seconds"])
        if found is None:
            return False
        timer, type_name, key, due_at, payload, headers, attempts = found
        fired = TimerFired(
            module=module,
            type=type_name,
            key=key,
            due_at=due_at,
            payload=msgspec.json.decode(payload),
        )
        try:
            with atomic(module):
                # Before the handler: it may set the same timer anew, and that must stay.
                execute(module, _FIRED, [timer])
                _handle(fired, headers)
        except Exception as error:
            if refused(error):
                raise
            _failed(fired, timer, attempts, error)
        else:
            metrics.TIMERS.labels(module, "fired").inc()
        crash_point("timer.handled")
    crash_point("timer.committed")
    return True


def _handle(fired: TimerFired, headers: str | None) -> None:
    handler = _handlers.get((fired.module, fired.type))
    if handler is None:
        raise NoTimerHandler(fired.module, fired.type)
    told = read_headers(headers)
    envelope = Envelope(
        id=uuid4(),
        source=f"/{fired.module}",
        type=f"{fired.module}.timer.{fired.type}",
        subject=fired.key,
        time=datetime.now(UTC),
        traceparent=told.traceparent,
        correlation_id=told.correlation,
        causation_id=told.causation,
        asker=told.asker,
    )
    with on_behalf_of(envelope):
        handler(fired)


def _failed(fired: TimerFired, timer: int, attempts: int, error: Exception) -> None:
    delay = failures.retry_in(error, attempts + 1, random)
    failure = failures.describe(error)
    state = "dead" if delay is None else "due"
    execute(fired.module, _FAILED, [state, failure.text, delay, delay, timer])
    metrics.TIMERS.labels(fired.module, "failed" if delay else "dead").inc()
    log.error(
        "bus.timer_failed",
        module=fired.module,
        type=fired.type,
        key=fired.key,
        state=state,
        place=failure.place,
    )


def _mapping(payload: object) -> Mapping[str, Any]:
    if not isinstance(payload, Mapping):
        raise TypeError(f"a timer's payload is a dataclass or a dict, not {payload!r}")
    return payload
