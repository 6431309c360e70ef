"""The consumer's side: one batch, its cursor and its effects in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from billiard.exceptions import SoftTimeLimitExceeded

from modules.platform.databases import atomic
from modules.platform.messaging import metrics, parking
from modules.platform.messaging.authority import refused
from modules.platform.messaging.crashpoints import crash_point
from modules.platform.messaging.database import execute, rows
from modules.platform.messaging.handling import handle, lock_part
from modules.platform.messaging.wire import Batch, Receipt, WireEvent

log = structlog.get_logger(__name__)

_OPEN = """
INSERT INTO bus_cursor (consumer, source, part, pos) VALUES (%s, %s, %s, %s)
ON CONFLICT (consumer, source, part) DO NOTHING
"""
_ADVANCE = "UPDATE bus_cursor SET pos = %s WHERE consumer = %s AND source = %s AND part = %s"
# A statement of its own: its snapshot must be younger than the cursor's lock.
_BLOCKED = """
SELECT DISTINCT key FROM bus_parked
WHERE source = %s AND part = %s AND consumer = %s AND state <> 'resolved'
"""


class HandlerFailed(Exception):
    """Rolls the batch back; says which event it was."""

    def __init__(self, event: WireEvent, error: Exception) -> None:
        self.event = event
        self.error = error


def deliver(batch: Batch) -> Receipt:
    """Handle what is new in ``batch`` and say where the consumer stands then.

    All of it happens in one transaction with the cursor. When a handler raises, the batch is
    rolled back and done again event by event: the failing one is parked and later events of its
    key wait behind it. Raises only what is not the events' fault: a lost database, or a
    refusal because the module's authority is elsewhere (see ``authority.refused``).
    """
    crash_point("deliver.begin")
    try:
        receipt, done = _in_one_go(batch)
    except HandlerFailed as failed:
        log.warning(
            "bus.batch_failed",
            consumer=batch.consumer,
            source=batch.source,
            type=failed.event.type,
            error=repr(failed.error),
        )
        # What ran out of time would do so again, and take the task with it.
        hopeless = failed if isinstance(failed.error, SoftTimeLimitExceeded) else None
        receipt, done = _one_by_one(batch, hopeless)
    crash_point("deliver.committed")
    _count(batch, done)
    return receipt


def _in_one_go(batch: Batch) -> tuple[Receipt, list[WireEvent]]:
    with atomic(batch.consumer):
        pos = _position(batch)
        if batch.after > pos or batch.to <= pos:
            return _out_of_place(batch, pos), []
        blocked = _blocked_keys(batch)
        done = []
        for event in _news(batch, pos):
            if event.subject in blocked:
                parking.queue_behind(batch, event)
                continue
            try:
                handle(batch.consumer, event)
            except Exception as error:
                if refused(error):
                    raise
                raise HandlerFailed(event, error) from error
            done.append(event)
        return _advance(batch, len(done)), done


def _one_by_one(batch: Batch, hopeless: HandlerFailed | None) -> tuple[Receipt, list[WireEvent]]:
    with atomic(batch.consumer):
        pos = _position(batch)
        if batch.after > pos or batch.to <= pos:
            return _out_of_place(batch, pos), []
        blocked = _blocked_keys(batch)
        done = []
        for event in _news(batch, pos):
            if event.subject in blocked:
                parking.queue_behind(batch, event)
                continue
            error = _try(batch.consumer, event, hopeless)
            if error is None:
                done.append(event)
            else:
                parking.park(batch, event, error)
                blocked.add(event.subject)
        return _advance(batch, len(done)), done


def _try(consumer: str, event: WireEvent, hopeless: HandlerFailed | None) -> Exception | None:
    if hopeless is not None and hopeless.event.id == event.id:
        return hopeless.error
    try:
        with atomic(consumer):
            handle(consumer, event)
    except Exception as error:
        if refused(error):
            raise
        return error
    return None


def _position(batch: Batch) -> int:
    place = (batch.consumer, batch.source, batch.part)
    pos = lock_part(*place)
    if pos is None:
        execute(batch.consumer, _OPEN, [*place, batch.after if batch.opening else 0])
        pos = lock_part(*place)
    return pos or 0


def _blocked_keys(batch: Batch) -> set[str]:
    found = rows(batch.consumer, _BLOCKED, [batch.source, batch.part, batch.consumer])
    return {key for (key,) in found}


def _news(batch: Batch, pos: int) -> Sequence[WireEvent]:
    return [event for event in batch.unpacked if event.position > pos]


def _out_of_place(batch: Batch, pos: int) -> Receipt:
    gap = batch.after > pos
    if gap:
        metrics.GAPS.labels(batch.source, batch.consumer).inc()
        log.warning(
            "bus.gap",
            consumer=batch.consumer,
            source=batch.source,
            part=batch.part,
            position=pos,
            after=batch.after,
        )
    return _receipt(batch, pos, rewind=gap)


def _advance(batch: Batch, handled: int) -> Receipt:
    crash_point("deliver.handled")
    execute(batch.consumer, _ADVANCE, [batch.to, batch.consumer, batch.source, batch.part])
    return _receipt(batch, batch.to, handled=handled)


def _receipt(batch: Batch, pos: int, *, rewind: bool = False, handled: int = 0) -> Receipt:
    return Receipt(
        source=batch.source,
        consumer=batch.consumer,
        part=batch.part,
        pos=pos,
        rewind=rewind,
        handled=handled,
    )


def _count(batch: Batch, done: Sequence[WireEvent]) -> None:
    if not done:
        return
    metrics.HANDLED.labels(batch.source, batch.consumer).inc(len(done))
    latency = metrics.LATENCY.labels(batch.source, batch.consumer)
    now = datetime.now(UTC)
    for event in done:
        latency.observe((now - event.time).total_seconds())
