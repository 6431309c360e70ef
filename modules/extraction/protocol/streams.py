"""One direction of replication: reads the origin's log, applies it, keeps its position.

Source: docs/extraction-protocol.md, *Replication*. The position is compared and swapped in the
very transaction that applies a batch: so a batch is applied once, whoever else tries, and an
applier that was stopped and goes on later does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from modules.extraction.protocol.applying import REFUSALS, Applier
from modules.extraction.protocol.crashpoints import crash_point
from modules.extraction.protocol.digests import read_sums
from modules.extraction.protocol.errors import STALE, NotInstalled, StalePosition
from modules.extraction.protocol.flushing import flushed
from modules.extraction.protocol.positions import Position
from modules.extraction.protocol.reading import (
    Batch,
    Change,
    Copied,
    count_waiting,
    read_batch,
)
from modules.extraction.protocol.sides import Connection, Direction, Move, connect, together
from modules.extraction.protocol.tables import Table, read_tables
from modules.extraction.protocol.wholeness import check_same_life

BATCH_ROWS = 100_000  # of the log: what one transaction of the other side applies
_STATE = """
SELECT s.position, (SELECT array_agg(tab) FROM {here}.backfill WHERE state = 'done'),
       b.tab, b.cursor
FROM {here}.stream s LEFT JOIN {here}.backfill b ON b.state = 'copying' AND s.name = 'forward'
WHERE s.name = %s
"""
_ADVANCE = "SELECT {here}.advance(%s, %s, %s, %s)"
_REACH = "SELECT {here}.reach(%s, %s, %s::json)"
_MARKS = "SELECT marker, marker_equal FROM {here}.stream WHERE name = %s"
# Says, when a marker is in the batch, whether the sums are equal there.
Reached = psycopg.Cursor[tuple[Any, ...]] | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What one batch was: ``rows`` of the log, and how many are still known to wait."""

    rows: int
    lag_rows: int
    position: str
    marker: int | None


class Stream:
    """One direction of a move. Not safe for two threads; two of them are safe for each other.

    Connects when first used. Raises NotInstalled, CaptureAway, and ``psycopg.OperationalError``
    when a side is away; then close it and make another.
    """

    def __init__(self, move: Move, direction: Direction, *, has_old: bool | None = None) -> None:
        self.move, self.direction = move, direction
        self.origin_side, self.end_side = direction.ends(move)
        self._has_old = has_old
        self._origin: Connection | None = None
        self._end: Connection | None = None
        self._appliers: dict[int, Applier] = {}
        self._left: tuple[Position, Copied] | None = None
        self.reached: tuple[int | None, bool] = (None, False)  # as marker(), by this very stream

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End both sessions."""
        for connection in (self._origin, self._end):
            if connection is not None:
                connection.close()
        self._origin = self._end = None

    @property
    def origin(self) -> Connection:
        """The session that reads the log."""
        if self._origin is None:
            self._origin = connect(self.origin_side, purpose=f"{self.direction} read")
            # A prepared plan cannot know how little of the log is new.
            self._origin.execute("SET enable_seqscan = off")
        return self._origin

    @property
    def end(self) -> Connection:
        """The session that applies."""
        if self._end is None:
            self._end = connect(self.end_side, purpose=f"{self.direction} apply", applies=True)
            # What a crash may take here, it takes with the position: it is applied again.
            self._end.execute("SET synchronous_commit = off")
        return self._end

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables as the end has them."""
        return tuple(applier.table for applier in self.appliers.values())

    @property
    def appliers(self) -> dict[int, Applier]:
        """One per table, by its number."""
        if not self._appliers:
            self._check_life()
            has_old = self._has_old
            if has_old is None:
                has_old = self.end.info.server_version >= 180000
            self._appliers = {
                table.number: Applier(self.end_side, table, self.direction.value, has_old)
                for table in read_tables(self.end, self.end_side, self.move.tables)
            }
        return self._appliers

    def apply_once(
        self, *, limit: int = BATCH_ROWS, left: Callable[[], bool] = lambda: False
    ) -> Applied:
        """Read one batch and apply it. Raises StalePosition when another applier did, or when
        ``left`` says that it is left to one, and StreamStopped when a table of the end refuses it.
        """
        batch, copied = self._read(limit)
        if _moves(batch):
            if left():
                raise StalePosition(f"{self.direction}: left to another applier")
            with self.end.transaction(), flushed(self.origin, batch.written):
                self.apply(batch)
            crash_point("apply.committed")
        return self._applied(batch, copied)

    def apply_within(self) -> Applied:
        """The same in a transaction of the caller's at the end, which is committed only after a
        commit at the origin that waits for the disk. After StalePosition it can go on.
        """
        batch, copied = self._read(BATCH_ROWS)
        if _moves(batch):
            self.apply(batch)
        return self._applied(batch, copied)

    def _read(self, limit: int) -> tuple[Batch, Copied]:
        # What was left last time is true still, or the swap of the position will refuse it.
        position, copied = self._left or self.standing()
        self._left = None
        batch = read_batch(self.origin, self.origin_side, position, copied, limit=limit)
        crash_point("apply.read")
        return batch, copied

    def _applied(self, batch: Batch, copied: Copied) -> Applied:
        self._left = (batch.after if _moves(batch) else batch.before), copied
        lag = 0 if batch.is_complete and batch.before.upto is None else self.lag()
        return Applied(batch.rows, lag, str(batch.after), batch.marker)

    def lag(self, *, limit: int = 1_000_000) -> int:
        """Rows of the log that wait, counted up to ``limit``."""
        position, _copied = self.standing()
        return count_waiting(self.origin, self.origin_side, position, limit=limit)

    @contextmanager
    def at_one_moment(self) -> Iterator[Batch]:
        """Both sides as of one and the same moment, for as long as the block lasts.

        ``origin`` is in a repeatable-read snapshot, and ``end`` in a transaction that has applied
        everything up to that snapshot; it commits with the block. Catch up first: all that waits
        is one batch here.
        """
        while self.standing()[0].upto is not None:
            self.apply_once()  # the rest of a batch in pieces ends at an older snapshot
        position, copied = self.standing()
        self._left = None
        with self.end.transaction():
            with self.origin.transaction():
                self.origin.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                batch = read_batch(self.origin, self.origin_side, position, copied, limit=None)
                self.apply(batch)
                yield batch
            with flushed(self.origin, batch.written):
                pass  # the origin's transaction had to end first

    def apply(self, batch: Batch) -> None:
        """Swap the position and bring the rows, in the caller's transaction at the end.

        It all goes there together, one round trip however many tables have changed. Raises
        StalePosition, and StreamStopped.
        """
        try:
            reached = self._bring(batch)
        except psycopg.Error as error:
            if error.sqlstate == STALE:
                raise StalePosition(f"{self.direction}: no longer at {batch.before}") from error
            raise
        if reached is not None:
            (equal,) = reached.fetchone() or (False,)
            self.reached = batch.marker, bool(equal)
        crash_point("apply.applied")

    def _bring(self, batch: Batch) -> Reached:
        end = self.end
        try:
            with together(end):
                end.execute("SAVEPOINT batch")
                reached = self._send(batch, Applier.send)
                end.execute("RELEASE batch")
        except psycopg.Error as error:
            if end.info.transaction_status == TransactionStatus.INERROR:
                end.execute("ROLLBACK TO batch")
            if not isinstance(error, REFUSALS):
                raise
            return self._send(batch, Applier.apply)
        return reached

    def _send(self, batch: Batch, bring: Callable[[Applier, Connection, Change], None]) -> Reached:
        end, name = self.end, self.direction
        positions = [str(batch.before), str(batch.after)]
        end.execute(self._sql(_ADVANCE), [name, *positions, batch.rows], prepare=True)
        for change in batch.changes:
            bring(self.appliers[change.tab], end, change)
        if batch.marker is None:
            return None
        return end.execute(self._sql(_REACH), [name, batch.marker, batch.sequences], prepare=True)

    def marker(self) -> tuple[int | None, bool]:
        """The last fence's marker that was applied here, and whether the sums were equal then."""
        found = self.end.execute(self._sql(_MARKS), [self.direction]).fetchone()
        return (found[0], bool(found[1])) if found else (None, False)

    def unequal(self) -> tuple[str, ...]:
        """The tables whose claimed and actual sums differ at this stream's end, and those that are
        not copied.
        """
        sums = read_sums(self.end, self.end_side, self.direction)
        copied = self.standing()[1].done
        return tuple(
            self.appliers[number].table.name
            for number, (claimed, actual) in sums.items()
            if claimed != actual or number not in copied
        )

    def standing(self) -> tuple[Position, Copied]:
        """The position, and what of the first copy is there. The reverse stream needs no copy."""
        appliers = self.appliers  # now: asking the catalogue is nothing for a pause
        try:
            found = self.end.execute(self._sql(_STATE), [self.direction]).fetchone()
        except psycopg.errors.UndefinedTable:
            found = None
        if found is None:
            raise NotInstalled(self.move.module, self.end_side.name)
        position, done, copying, cursor = found
        if self.direction is Direction.REVERSE:
            return Position.parse(position), Copied(tuple(appliers))
        table = appliers[copying].table if copying else None
        return Position.parse(position), Copied(
            tuple(done or ()), table, tuple(cursor) if cursor else None
        )

    def _check_life(self) -> None:
        """What one installation copied must not be gone on with by the log of another."""
        source, target = self.origin, self.end
        if not self.origin_side.is_source:
            source, target = target, source
        check_same_life(self.move, source, target)

    def _sql(self, text: str) -> bytes:
        return _within(self.end_side.room, text)


@cache
def _within(room: str, text: str) -> bytes:
    return sql.SQL(text).format(here=sql.Identifier(room)).as_bytes()


def _moves(batch: Batch) -> bool:
    # Even with no rows: what was cut into pieces may have ended with the last one.
    return batch.rows > 0 or batch.before.upto is not None
