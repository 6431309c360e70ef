"""Bringing a stream to a fence's marker, within the time the fence has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from math import inf

import psycopg

from modules.extraction.protocol.bounding import bound, can_bound
from modules.extraction.protocol.controlling import call
from modules.extraction.protocol.errors import (
    Diverged,
    NotDrained,
    StalePosition,
    StreamStopped,
    TimeIsUp,
)
from modules.extraction.protocol.reading import Batch, Change
from modules.extraction.protocol.sides import MONOLITH
from modules.extraction.protocol.streams import Applied, Stream

REHEARSALS = 5  # another applier may advance the position in between
ZERO = Decimal(0)
SMALL = 500  # rows that may wait when the fence comes: some milliseconds of applying


def catch_up(stream: Stream, *, seconds: float = 30.0, by: float = inf) -> int:
    """Apply until few rows come with each batch; the last count.

    Raises TimeoutError, and TimeIsUp if the monotonic time ``by`` comes first.
    """
    until = time.monotonic() + seconds
    # An applier that was stopped in its transaction holds the position's row.
    stream.end.execute(f"SET lock_timeout = {max(1, int(min(seconds, 3600.0) * 1000))}")
    while True:
        try:
            applied = stream.apply_once()
        except StalePosition:
            continue
        except psycopg.errors.LockNotAvailable as error:
            raise TimeoutError(
                f"{stream.direction} of {stream.move.module} is held by another applier"
            ) from error
        if applied.rows <= SMALL and not applied.lag_rows:
            return applied.rows
        if time.monotonic() > by:
            raise TimeIsUp(stream.move.module, f"{applied.lag_rows:,} changes wait")
        if time.monotonic() > until:
            raise TimeoutError(f"{stream.direction} of {stream.move.module} does not catch up")


def rehearse(stream: Stream) -> None:
    """Have both servers plan what draining says, by bringing nothing to every table. Said for the
    first time it takes two to three times as long, and a pause is no time for that.

    It is committed: psycopg forgets what it has prepared with a rollback.
    """
    for session in (stream.origin, stream.end):
        session.execute("SET plan_cache_mode = force_generic_plan")
    nothing = tuple(Change(number, 0, ZERO, ZERO, "{}", "{}") for number in stream.appliers)
    for _attempt in range(REHEARSALS):
        at, _copied = stream.standing()
        with suppress(StalePosition), stream.end.transaction():
            stream.apply(Batch(at, at, 0, nothing, marker=None, sequences=None, written="0/0"))
            break
    # Of no stream, and of an epoch that is past.
    call(stream.end, stream.end_side, "reach", "rehearsal", 0, "{}")
    call(stream.end, stream.end_side, "learn", MONOLITH, -1, None)


def be_quick(stream: Stream, ttl: timedelta) -> None:
    """Wait for no lock longer than most of the fence's time, from here on; and let PostgreSQL end
    this session if a transaction takes as long: of a controller that is stopped in it, with the
    stream's position, which everybody else would wait for.

    An applier that was stopped in its transaction holds the position's row.
    """
    limit = 0.8 * ttl
    stream.end.execute(f"SET lock_timeout = {max(1, int(limit.total_seconds() * 1000))}".encode())
    bound(stream.end, limit)


@contextmanager
def drained(stream: Stream, marker: int, *, until: float) -> Iterator[None]:
    """A transaction at the end that has applied all up to ``marker``; it commits with the block,
    after a commit at the origin that waits for the disk. Raises NotDrained, Diverged.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(stream.end.transaction())
        except psycopg.Error as error:
            raise NotDrained(stream.move.module, str(error).strip()) from error
        try:
            _drain(stream.apply_within, stream, marker, until)
            if not can_bound(stream.end):
                stream.end.execute("SELECT")  # its idle time is measured from here on: together()
            yield
        except BaseException:
            # Not rolled back by us: PostgreSQL may have ended the session, as be_quick() had it
            # do, and it rolls back what is closed.
            stream.close()
            raise


def drain(stream: Stream, marker: int, *, until: float) -> None:
    """Apply up to and with ``marker``, before the monotonic time ``until``.

    Raises NotDrained, also when a side is away, and Diverged when the sums differ at the marker.
    """
    _drain(stream.apply_once, stream, marker, until)


def _drain(apply: Callable[[], Applied], stream: Stream, marker: int, until: float) -> None:
    module = stream.move.module
    try:
        while True:
            with suppress(StalePosition):
                apply()
            at, equal = stream.reached
            if at != marker:  # another applier may have been first
                at, equal = stream.marker()
            if at == marker:
                break
            if time.monotonic() > until:
                raise NotDrained(module, "time is up")
    except (psycopg.Error, StreamStopped) as error:
        raise NotDrained(module, str(error).strip()) from error
    if not equal:
        raise Diverged(module, stream.unequal())
