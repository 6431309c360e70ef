"""Moves authority from the monolith's database to the service's.

Source: docs/extraction-protocol.md, *Cutover*. Before the commit point every failure leaves the
monolith as the authority; after it nothing can bring it back but a rollback.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from math import inf

import psycopg

from modules.extraction.protocol.checking import preflight
from modules.extraction.protocol.controlling import FENCE_ATTEMPTS, TTL, Controller, call
from modules.extraction.protocol.crashpoints import crash_point
from modules.extraction.protocol.draining import be_quick, catch_up, drained, rehearse
from modules.extraction.protocol.errors import NotReady, NotYetGranted, SwapRefused
from modules.extraction.protocol.flushing import flush
from modules.extraction.protocol.granting import grant
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.receipts import Swapped, SwapReceipt, write_receipt
from modules.extraction.protocol.sides import SERVICE, Direction, Move
from modules.extraction.protocol.streams import Stream

GRANT_SECONDS = 5.0  # how long the controller itself tries to tell the new side
Watch = Callable[[str], None]


def cutover(
    move: Move,
    *,
    ttl: timedelta = TTL,
    attempts: int = FENCE_ATTEMPTS,
    checked: bool = True,
    by: float = inf,
    watch: Watch = lambda _step: None,
) -> SwapReceipt:
    """Give the module to the service. ``watch`` hears ``held``, ``fenced``, ``drained``,
    ``committed`` and ``granted``; it runs inside the pause, and what it raises up to ``drained``
    calls the cutover off.

    Raises NotReady (unless ``checked`` is False: then the caller has looked), Controlled,
    FenceRefused, NotDrained, Diverged, SwapRefused: the monolith still has the module. Raises
    NotYetGranted: the service has it and must be told.
    """
    if checked and (failed := [str(one) for one in preflight(move) if not one.ok]):
        raise NotReady(failed)
    with Controller(move) as control, Stream(move, Direction.FORWARD) as stream:
        return _Cutover(move, control, stream, watch).run(ttl, attempts, by)


class _Cutover:
    def __init__(self, move: Move, control: Controller, stream: Stream, watch: Watch) -> None:
        self._move, self._control, self._stream, self._watch = move, control, stream, watch

    def run(self, ttl: timedelta, attempts: int, by: float) -> SwapReceipt:
        self._clear()
        catch_up(self._stream, by=by)  # connects, too: front doors that hold need not wait for it
        rehearse(self._stream)
        self._step("held")
        catch_up(self._stream, by=by)
        flush(self._stream.end)  # so what a crash can take is in the log, and not in the copy
        be_quick(self._stream, ttl)
        asked = time.monotonic()
        epoch, marker = self._control.fence(self._move.source, ttl, attempts, by=by)
        fenced = time.monotonic()
        committed_at = self._swap(epoch, marker, until=min(by, fenced + ttl.total_seconds()))
        at = Swapped(asked, fenced, time.monotonic())
        self._step("granted")
        flush(self._control.target)  # the grant, which nobody waits for any more
        self._control.end_lock_holders(self._move.source, committed_at)
        return write_receipt(
            self._move,
            self._stream,
            (self._control.source, self._control.target),
            epoch=epoch,
            marker=marker,
            at=at,
            committed_at=committed_at,
        )

    def _clear(self) -> None:
        # A fence that a dead controller left: with this one alive it would stand to its deadline.
        has = read_ownership(self._control.source, self._move.source)
        if has.mode == "fenced":
            self._control.call(self._move.source, "unfence", has.epoch, 0)

    def _swap(self, epoch: int, marker: int, *, until: float) -> datetime:
        committed_at: datetime | None = None
        try:
            self._step("fenced")
            # The last changes, and the word that lets the service write, are one commit there. It
            # does not wait for the disk: the commit point does, and then the service's first write.
            with drained(self._stream, marker, until=until):
                self._step("drained")
                committed_at = self._commit(epoch, marker, until=until)
                self._step("committed")
                call(self._stream.end, self._move.target, "learn", SERVICE, epoch, marker)
        except psycopg.Error:
            if committed_at is None:
                self._reopen(epoch)
                raise
            self._stream.close()  # its session may be gone; it opens another
            self._grant(epoch, marker)
        except BaseException:
            if committed_at is None:
                self._reopen(epoch)
            raise
        return committed_at

    def _commit(self, epoch: int, marker: int, *, until: float) -> datetime:
        while time.monotonic() < until:
            with suppress(psycopg.errors.LockNotAvailable):
                (at,) = self._control.call(self._move.source, "give", epoch, marker)
                if at is not None:
                    return at  # type: ignore[no-any-return]
                break
        raise SwapRefused(self._move.module, epoch)

    def _reopen(self, epoch: int) -> None:
        # Refused or unreachable: it has lapsed, or will, by itself. After the commit point, whose
        # answer may have been lost, it does nothing: the row is not the fence's any more.
        with suppress(psycopg.Error):
            self._control.call(self._move.source, "unfence", epoch, 0)

    def _grant(self, epoch: int, marker: int) -> None:
        until = time.monotonic() + GRANT_SECONDS
        while True:
            try:
                if self._control.target.closed:
                    self._control.reconnect_target()
                grant(self._move, self._control.target, epoch=epoch, marker=marker)
                return
            except (psycopg.Error, NotYetGranted) as error:
                if time.monotonic() > until:
                    raise NotYetGranted(self._move.module, epoch) from error
                time.sleep(0.05)

    def _step(self, name: str) -> None:
        crash_point(f"cutover.{name}")
        self._watch(name)
