"""Events put aside: the failing one is tried again, those of its key wait behind it in order.

retry ──> (handled: the row goes) | retry | dead
blocked ──> retry, when the one before it is settled
dead, manual ──> retry (replayed) | resolved (by hand)

Of one source and key exactly the first unsettled event is retry, dead or manual; all others are
blocked. The part's cursor lock is held by whoever changes that.
"""

from __future__ import annotations

from random import SystemRandom

import structlog

from modules.platform.databases import atomic
from modules.platform.messaging import failures, metrics
from modules.platform.messaging.authority import refused
from modules.platform.messaging.crashpoints import crash_point
from modules.platform.messaging.database import execute, row, rows
from modules.platform.messaging.handling import handle, lock_part
from modules.platform.messaging.wire import Batch, WireEvent, decode_event, encode_event

log = structlog.get_logger(__name__)
random = SystemRandom()

_PARK = """
INSERT INTO bus_parked (consumer, source, part, position, key, type, envelope, state, attempts,
                        next_at, fingerprint, place, error)
VALUES (%(consumer)s, %(source)s, %(part)s, %(position)s, %(key)s, %(type)s, %(envelope)s,
        %(state)s, %(attempts)s, clock_timestamp() + %(delay)s::interval, %(fingerprint)s,
        %(place)s, %(error)s)
"""
_DUE = """
SELECT id, source, part FROM bus_parked
WHERE state = 'retry' AND next_at <= clock_timestamp() + %s::interval
ORDER BY next_at, id LIMIT %s
"""
_TAKE = """
SELECT position, key, envelope::text, attempts FROM bus_parked
WHERE id = %s AND state = 'retry' AND next_at <= clock_timestamp() + %s::interval
"""
_SETTLED = "DELETE FROM bus_parked WHERE id = %s"
_AGAIN = """
UPDATE bus_parked
SET state = %(state)s, attempts = attempts + 1, fingerprint = %(fingerprint)s, place = %(place)s,
    error = %(error)s, next_at = clock_timestamp() + %(delay)s::interval
WHERE id = %(id)s
"""
_PROMOTE = """
UPDATE bus_parked SET state = 'retry', next_at = clock_timestamp()
WHERE state = 'blocked' AND id = (
    SELECT id FROM bus_parked
    WHERE consumer = %s AND source = %s AND part = %s AND key = %s AND state <> 'resolved'
    ORDER BY position LIMIT 1)
RETURNING id
"""


def park(batch: Batch, event: WireEvent, error: Exception) -> None:
    """Put the failed event aside, to be tried again or as a dead letter."""
    crash_point("park.before")
    failure = failures.describe(error)
    delay = failures.retry_in(error, 1, random)
    state = "dead" if delay is None else "retry"
    _insert(
        batch,
        event,
        state=state,
        attempts=1,
        delay=delay,
        fingerprint=failure.fingerprint,
        place=failure.place,
        error=failure.text,
    )
    _tell(batch.consumer, batch.source, event, state, failure)
    crash_point("park.after")


def queue_behind(batch: Batch, event: WireEvent) -> None:
    """Let the event wait: an earlier one of its key is not settled."""
    _insert(
        batch, event, state="blocked", attempts=0, delay=None, fingerprint="", place="", error=""
    )
    metrics.PARKED.labels(batch.source, batch.consumer, "blocked").inc()


def promote(consumer: str, source: str, part: int, key: str) -> int | None:
    """Let the first unsettled event of the key be tried now; its id, None if none waits."""
    found = row(consumer, _PROMOTE, [consumer, source, part, key])
    return None if found is None else int(found[0])


def retry_due(module: str, *, ahead: float = 0.0, limit: int = 100) -> int:
    """Try again what is due in ``module``, each event in a transaction of its own; how many.

    ``ahead`` seconds are added to the clock, for tests. When an event succeeds, those that wait
    behind it follow at once, in order.
    """
    tried = 0
    for letter, source, part in rows(module, _DUE, [_seconds(ahead), limit]):
        following: int | None = letter
        while following is not None:
            following = _retry(module, source, part, following, ahead)
            tried += 1
    return tried


def _retry(module: str, source: str, part: int, letter: int, ahead: float) -> int | None:
    """Try one letter; the id of the one behind it that may follow."""
    crash_point("retry.begin")
    with atomic(module):
        lock_part(module, source, part)
        found = row(module, _TAKE, [letter, _seconds(ahead)])
        if found is None:  # another worker was faster
            return None
        _, key, text, attempts = found
        event = decode_event(text)
        following = None
        if _handled(module, event, letter, attempts):
            execute(module, _SETTLED, [letter])
            following = promote(module, source, part, key)
        crash_point("retry.handled")
    crash_point("retry.committed")
    return following


def _handled(module: str, event: WireEvent, letter: int, attempts: int) -> bool:
    try:
        with atomic(module):
            handle(module, event)
    except Exception as error:
        if refused(error):
            raise
        _failed_again(module, event, letter, attempts, error)
        return False
    metrics.HANDLED.labels(event.source.strip("/"), module).inc()
    return True


def _failed_again(
    module: str, event: WireEvent, letter: int, attempts: int, error: Exception
) -> None:
    failure = failures.describe(error)
    delay = failures.retry_in(error, attempts + 1, random)
    state = "dead" if delay is None else "retry"
    execute(
        module,
        _AGAIN,
        {
            "id": letter,
            "state": state,
            "delay": delay,
            "fingerprint": failure.fingerprint,
            "place": failure.place,
            "error": failure.text,
        },
    )
    _tell(module, event.source.strip("/"), event, state, failure)


def _insert(batch: Batch, event: WireEvent, **fields: object) -> None:
    execute(
        batch.consumer,
        _PARK,
        {
            "consumer": batch.consumer,
            "source": batch.source,
            "part": batch.part,
            "position": event.position,
            "key": event.subject,
            "type": event.base_type,
            "envelope": encode_event(event),
            **fields,
        },
    )


def _tell(
    consumer: str, source: str, event: WireEvent, state: str, failure: failures.Failure
) -> None:
    metrics.PARKED.labels(source, consumer, state).inc()
    log.error(
        "bus.event_failed",
        consumer=consumer,
        source=source,
        type=event.type,
        key=event.subject,
        event_id=str(event.id),
        state=state,
        place=failure.place,
        fingerprint=failure.fingerprint,
    )


def _seconds(ahead: float) -> str:
    return f"{ahead} seconds"
