"""Bringing a stream to a fence's marker, within the time the fence has."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from math import inf

import psycopg

from modules.extraction.protocol.errors import Diverged, NotDrained, StalePosition, TimeIsUp
from modules.extraction.protocol.streams import Stream

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


def be_quick(stream: Stream, ttl: timedelta) -> None:
    """Wait for no lock longer than most of the fence's time, from here on.

    An applier that was stopped in its transaction holds the position's row.
    """
    stream.end.execute(f"SET lock_timeout = {max(1, int(ttl.total_seconds() * 800))}")


def drain(stream: Stream, marker: int, *, until: float) -> None:
    """Apply up to and with ``marker``, before the monotonic time ``until``.

    Raises NotDrained, also when a side is away, and Diverged when the sums differ at the marker.
    """
    module = stream.move.module
    try:
        while True:
            with suppress(StalePosition):
                stream.apply_once()
            at, equal = stream.reached
            if at != marker:  # another applier may have been first
                at, equal = stream.marker()
            if at == marker:
                break
            if time.monotonic() > until:
                raise NotDrained(module, "time is up")
    except psycopg.Error as error:
        raise NotDrained(module, str(error).strip()) from error
    if not equal:
        raise Diverged(module, stream.unequal())
