"""Brings authority back from the service's database to the monolith's, with all later writes.

Source: docs/extraction-protocol.md, *Rollback*. Not the mirror of a cutover: the truth about
ownership stays in the source. So the service's fence never lapses by itself, and one statement in
the source verifies, swaps and grants.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timedelta
from math import inf

import psycopg

from modules.extraction.protocol.controlling import FENCE_ATTEMPTS, TTL, Controller
from modules.extraction.protocol.crashpoints import crash_point
from modules.extraction.protocol.cutting_over import Watch
from modules.extraction.protocol.draining import be_quick, catch_up, drain, rehearse
from modules.extraction.protocol.errors import NotReady, SwapRefused
from modules.extraction.protocol.granting import grant, tell
from modules.extraction.protocol.healing import reopen_service
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.receipts import Swapped, SwapReceipt, write_receipt
from modules.extraction.protocol.sides import MONOLITH, SERVICE, Direction, Move, row
from modules.extraction.protocol.streams import Stream


def rollback(
    move: Move,
    *,
    ttl: timedelta = TTL,
    attempts: int = FENCE_ATTEMPTS,
    by: float = inf,
    watch: Watch = lambda _step: None,
) -> SwapReceipt:
    """Take the module back. ``watch`` hears ``held``, ``fenced``, ``drained``, ``committed`` and
    ``closed``; at ``committed`` the monolith accepts writes.

    Raises NotReady, Controlled, FenceRefused, NotDrained, Diverged, SwapRefused: the service still
    has the module. When the source is lost before the commit point, the service stays fenced
    until ``heal`` can ask there.
    """
    with Controller(move) as control, Stream(move, Direction.REVERSE) as stream:
        return _Rollback(move, control, stream, watch).run(ttl, attempts, by)


class _Rollback:
    def __init__(self, move: Move, control: Controller, stream: Stream, watch: Watch) -> None:
        self._move, self._control, self._stream, self._watch = move, control, stream, watch

    def run(self, ttl: timedelta, attempts: int, by: float) -> SwapReceipt:
        base = self._base_epoch()
        catch_up(self._stream, by=by)  # connects, too: front doors that hold need not wait for it
        rehearse(self._stream)
        self._step("held")
        catch_up(self._stream, by=by)
        be_quick(self._stream, ttl)
        asked = time.monotonic()
        _epoch, marker = self._control.fence(self._move.target, ttl, attempts, by=by)
        fenced = time.monotonic()
        committed_at = self._decide(base, marker, until=min(by, fenced + ttl.total_seconds()))
        at = Swapped(asked, fenced, time.monotonic())
        self._step("committed")
        self._close(base + 1)
        self._step("closed")
        return write_receipt(
            self._move,
            self._stream,
            (self._control.source, self._control.target),
            epoch=base + 1,
            marker=marker,
            at=at,
            committed_at=committed_at,
        )

    def _base_epoch(self) -> int:
        has = read_ownership(self._control.source, self._move.source)
        if has.owner != SERVICE:
            raise NotReady([f"{self._move.module} belongs to the {has.owner}"])
        # What a dead controller left: a service that was not told, or a fence.
        theirs = read_ownership(self._control.target, self._move.target)
        if theirs.owner != SERVICE and has.marker is not None:
            grant(self._move, self._control.target, epoch=has.epoch, marker=has.marker)
        elif theirs.mode == "fenced":
            reopen_service(self._move, self._control.source, self._control.target)
            has = read_ownership(self._control.source, self._move.source)
        tell(self._move, self._control.target, SERVICE, has.epoch)
        return has.epoch

    def _decide(self, base: int, marker: int, *, until: float) -> datetime:
        try:
            self._step("fenced")
            drain(self._stream, marker, until=until)
            self._step("drained")
            (at,) = self._control.call(self._move.source, "take_back", base, marker)
            if at is None:
                raise SwapRefused(self._move.module, base)
        except BaseException:
            # Out of reach: heal() does it when the source is back.
            with suppress(psycopg.Error):
                reopen_service(self._move, self._control.source, self._control.target)
            raise
        return at  # type: ignore[no-any-return]

    def _close(self, epoch: int) -> None:
        # The monolith accepts writes already. Untold, the service goes on refusing them as fenced.
        with suppress(psycopg.Error):
            tell(self._move, self._control.target, MONOLITH, epoch)
            (now,) = row(self._control.target, "SELECT clock_timestamp()")
            self._control.end_lock_holders(self._move.target, now)

    def _step(self, name: str) -> None:
        crash_point(f"rollback.{name}")
        self._watch(name)
