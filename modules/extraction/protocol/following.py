"""Keeps a stream running: what a process does for as long as an extraction is under way."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg
import structlog

from modules.extraction.protocol.bounding import bound
from modules.extraction.protocol.controlling import TTL, is_held
from modules.extraction.protocol.errors import (
    CaptureAway,
    NotInstalled,
    NotYetGranted,
    StalePosition,
    StreamStopped,
)
from modules.extraction.protocol.healing import State, heal_with
from modules.extraction.protocol.rotating import rotate
from modules.extraction.protocol.sides import Direction, Move, connect
from modules.extraction.protocol.streams import BATCH_ROWS, Stream

log = structlog.get_logger(__name__)

POLL = 0.02  # seconds between looks at a log that has little: a batch costs as much with a few rows
LITTLE = 500  # rows of the log
ASIDE = TTL.total_seconds()  # a controller that takes longer does not bring changes, or is stopped
AWAY = 0.5  # before a side that was away is tried again
# An applier that is stopped in its transaction holds the stream up no longer than that (PostgreSQL
# 17). A batch takes a second or two; one that is ended is read again in smaller pieces.
STILL = timedelta(seconds=60)
STOPPED = 5.0  # before a batch that was refused is: it is read again, and may be large
ROTATE_ROWS = 200_000  # applied between two looks at the log's halves
HEAL = 0.05  # between two looks for a fence that was left behind
LAPSE = 0.01  # between two looks while one stands: whoever stops it, the writers wait
FENCED = frozenset({State.CUTTING_OVER, State.ROLLING_BACK})
# The protocol's schema, or a part of it, is not there any more.
UNINSTALLED = (
    NotInstalled,
    CaptureAway,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
)


@dataclass
class Follower:
    """Applies one direction until it is told to end; outlives servers that go away, and rows that
    the other side refuses: once they are repaired it goes on.

    ``watch_fences`` belongs beside it.
    """

    move: Move
    direction: Direction
    poll: float = POLL
    still: timedelta = STILL
    rows: int = field(default=0, init=False)  # of the log, applied so far
    _limit: int = field(default=BATCH_ROWS, init=False)
    _told: str = field(default="", init=False)
    _aside_since: float | None = field(default=None, init=False)

    def run(self, stop: threading.Event) -> int:
        """Follow until ``stop`` or until the protocol is uninstalled; how many rows of the log were
        applied.
        """
        while not stop.is_set():
            try:
                with Stream(self.move, self.direction) as stream:
                    self._follow(stream, stop)
            except psycopg.OperationalError as error:
                log.warning("move.stream_away", module=self.move.module, error=str(error))
                stop.wait(AWAY)
            except psycopg.errors.TransactionTimeout as error:
                self._limit = max(1, self._limit // 10)
                log.warning("move.stream_stood_still", module=self.move.module, error=str(error))
            except StreamStopped as error:
                self._tell(error)
                stop.wait(STOPPED)
            except UNINSTALLED as error:
                log.info("move.stream_ended", module=self.move.module, error=str(error).strip())
                break
        return self.rows

    def _tell(self, error: StreamStopped) -> None:
        """Once for each trouble, and not again every five seconds until somebody has acted."""
        if str(error) != self._told:
            log.error("move.stream_stopped", module=self.move.module, error=str(error))
        self._told = str(error)

    def _follow(self, stream: Stream, stop: threading.Event) -> None:
        since = 0
        bound(stream.end, self.still)
        while not stop.is_set():
            try:
                rows = stream.apply_once(
                    limit=self._limit, left=lambda: self._stands_aside(stream)
                ).rows
            except StalePosition:
                stop.wait(self.poll)  # there is another who brings what waits
                continue
            self._told, self._aside_since = "", None
            self._limit = min(BATCH_ROWS, 2 * self._limit)
            self.rows, since = self.rows + rows, since + rows
            if since > ROTATE_ROWS:
                rotate(stream)
                since = 0
            if rows < LITTLE:
                stop.wait(self.poll)

    def _stands_aside(self, stream: Stream) -> bool:
        """Whether a batch is left to a controller that is at the module, for ``ASIDE`` seconds. It
        brings the changes up to its fence itself, and one batch of ours in between costs it a batch
        that it must read anew, while the writers wait.
        """
        now = time.monotonic()
        if self._aside_since is None:
            self._aside_since = now
        return now - self._aside_since < ASIDE and is_held(stream.end, stream.end_side)


def watch_fences(move: Move, stop: threading.Event, *, every: float = HEAL) -> list[State]:
    """Heal whatever a controller leaves, until ``stop``; the states that were healed.

    A cutover's fence lapses by itself. One that a controller left in a rollback does not: the
    service's database cannot know whether the swap has come.
    """
    healed = list[State]()
    while not stop.is_set():
        try:
            _heal_until(stop, move, every, healed)
        except (psycopg.OperationalError, NotYetGranted):
            stop.wait(AWAY)
        except UNINSTALLED:
            break
    return healed


def _heal_until(stop: threading.Event, move: Move, every: float, healed: list[State]) -> None:
    # In the same two sessions: it looks twenty times a second, for days.
    with (
        connect(move.source, purpose="heal") as source,
        connect(move.target, purpose="heal") as target,
    ):
        wait = every
        while not stop.wait(wait):
            done = heal_with(move, source, target)
            if done.did:
                log.warning("move.healed", module=move.module, found=done.found, did=done.did)
                healed.append(done.found)
            wait = min(every, LAPSE) if done.now in FENCED else every
