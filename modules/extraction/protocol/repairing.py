"""Makes the rows of the side that follows the authority's again, and the stream's sums true.

For rows that were written around the triggers. First every row is looked at (``scrub``), then each
table in which something differs is made right in one transaction of the follower. Let S be the
moment of that transaction (``Stream.at_one_moment``): the authority is read in a snapshot, and the
follower has applied its log up to just there.

- Beside the stream. The position is swapped to S in the transaction that changes the rows, so both
  come about or neither. What the log has up to S is in the rows already; what it has after S says
  what it replaces, and that is what stands now. Another applier that has read an older batch finds
  another position, and a second repairer finds no difference. Nothing of the follower is captured:
  the session is the applier's.
- The sums. A stream's say what was claimed and what was done; what the other stream, which rests,
  has done to the authority is in its sums there, of the same snapshot. So with D, count and sums of
  all rows of the authority's table at S: claimed = actual = D - what the resting stream has done.
  That needs the whole table at one moment: sums do not know of chunks. It is also what settles a
  row that was spoiled and then replaced by the stream: it is right, and the sums are not.
- Unique values. First all wrong rows go, of all chunks, then the right ones come. What is left in
  between is a part of the authority's table, and with what comes it is that table, which has passed
  the same constraints. Chunk by chunk two rows that have swapped a value would collide.
- Keys outside a chunk. The chunks of a table follow each other without a gap, and the last one has
  no end: a row of the follower beyond all of the authority's is in it. A table that is not all
  copied is refused: a row that is still to come is not missing.
- Foreign keys and triggers of the module's are quiet, as for all that is applied: the rows have
  passed them where they were written. Tables are made right one after the other, each as of its own
  moment; the stream keeps them equal from there on, so after the last all are.
- Partitions. Rows are put into the parent; a partition that is not there fails loudly.
- Killed. Before a table's commit nothing of it has happened, after it all of it has; the commit
  waits for the disk. Said again, it goes on with what still differs.
- The authority is not written to: its transaction is READ ONLY, and whoever writes holds the
  follower's word that it is not the authority, so that no ``learn`` and no ``take_back`` comes
  before the commit. The controllers' lock keeps swaps and other repairers away for all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modules.extraction.protocol.aligning import Alignment
from modules.extraction.protocol.controlling import Controller
from modules.extraction.protocol.crashpoints import crash_point
from modules.extraction.protocol.draining import catch_up
from modules.extraction.protocol.errors import NotReady, StalePosition, StreamStopped
from modules.extraction.protocol.healing import State, look
from modules.extraction.protocol.scrubbing import (
    CHUNK_ROWS,
    Difference,
    ScrubProgress,
    scrub,
)
from modules.extraction.protocol.sides import Connection, Direction, Move, connect
from modules.extraction.protocol.streams import Stream
from modules.extraction.protocol.tables import Table
from modules.extraction.protocol.unblocking import (
    blocking,
    check_follows,
    too_many,
    unblock,
)
from modules.extraction.protocol.wholeness import check_whole

MOST = 1_000  # rows: a hand's work, or a faulty script's; more is another kind of trouble
Report = Callable[[ScrubProgress], None]


def _silent(_progress: ScrubProgress) -> None:
    """Shows nothing."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """What differs between the sides: rows, seen from the authority's copy, and tables whose two
    sums differ, whether or not a row of them does.

    ``is_stuck``: these rows stop the stream, so nothing else could be compared yet.
    """

    authority: str  # monolith | service
    looked_at: int  # rows
    rows: tuple[Difference, ...]
    sums: tuple[str, ...]
    is_stuck: bool = False

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that have to be made right."""
        return tuple(sorted({*(one.table for one in self.rows), *self.sums}))


@dataclass(frozen=True, slots=True)
class Mended:
    """One table that is right now: which rows were made the authority's."""

    table: str
    rows: tuple[Difference, ...]


def examine(
    move: Move, on_progress: Report = _silent, *, most: int = MOST, chunk_rows: int = CHUNK_ROWS
) -> Wrong:
    """What ``repair`` would make right; changes nothing but what the stream brings anyway.

    Raises NotReady as ``repair`` does, CaptureAway, NotInstalled and psycopg's errors.
    """
    with (
        connect(move.source, purpose="repair") as source,
        connect(move.target, purpose="repair") as target,
        Stream(move, _way(move, source, target)) as stream,
    ):
        try:
            return _looked(stream, on_progress, most, chunk_rows, kept=False)
        except StreamStopped as error:
            rows = blocking(stream, most, chunk_rows)
            if not rows:
                raise _stopped(error) from error
            return Wrong(stream.origin_side.name, 0, rows, stream.unequal(), is_stuck=True)


def repair(
    move: Move,
    on_progress: Report = _silent,
    *,
    most: int = MOST,
    chunk_rows: int = CHUNK_ROWS,
    on_mended: Callable[[Mended], None] = lambda _mended: None,
) -> Wrong:
    """Make the follower's rows the authority's, and the sums true; what was wrong.

    The look at every row is kept as a scrub, as ``verify`` keeps its own: with differences, if it
    found any. ``on_mended`` hears of each table when it is committed.

    Raises NotReady, with nothing changed, when more than ``most`` rows differ, when it is not
    settled who has the module, or a table is not copied; Controlled, CaptureAway, NotInstalled,
    Diverged if a trigger of the follower changes what is put there, and psycopg's errors.
    """
    with (
        Controller(move) as control,
        Stream(move, _way(move, control.source, control.target)) as stream,
    ):
        try:
            return _repaired(stream, on_progress, most, chunk_rows, on_mended)
        except StreamStopped as error:
            raise _stopped(error) from error


def _repaired(
    stream: Stream,
    report: Report,
    most: int,
    chunk_rows: int,
    on_mended: Callable[[Mended], None],
) -> Wrong:
    gone: tuple[Difference, ...] = ()
    try:
        found = _looked(stream, report, most, chunk_rows, kept=True)
    except StreamStopped:
        gone = unblock(stream, most, chunk_rows)
        found = _looked(stream, report, most, chunk_rows, kept=True)
    left = most
    for applier in stream.appliers.values():
        name = applier.table.name
        if name in found.tables:
            made = _made_right(stream, applier.table, report, left, chunk_rows)
            left -= len(made)
            on_mended(Mended(name, _both(gone, made, name)))
    return found


def _way(move: Move, source: Connection, target: Connection) -> Direction:
    """From the authority to the follower. Raises NotReady, CaptureAway, NotInstalled."""
    check_whole(move, source, target)
    match look(move, source, target).state:
        case State.MONOLITH:
            return Direction.FORWARD
        case State.SERVICE:
            return Direction.REVERSE
        case state:
            raise NotReady([f"who has {move.module} is not settled ({state}): heal it first"])


def _looked(stream: Stream, report: Report, most: int, chunk_rows: int, *, kept: bool) -> Wrong:
    copied = stream.standing()[1].done
    missing = [one.table.name for one in stream.appliers.values() if one.table.number not in copied]
    if missing:
        raise NotReady([f"not all copied yet: {', '.join(missing)}"])
    found = scrub(stream.move, report, chunk_rows=chunk_rows, shown=most, kept=kept)
    if found.count > most:
        raise too_many(found.count, most)
    rows = sum(count for _table, count in found.tables)
    return Wrong(stream.origin_side.name, rows, found.differences, stream.unequal())


def _stopped(error: StreamStopped) -> NotReady:
    return NotReady([f"the stream is stopped, by no row that is known to be wrong: {error.why}"])


def _both(
    gone: Sequence[Difference], made: Sequence[Difference], table: str
) -> tuple[Difference, ...]:
    """Each row once, as it was found first."""
    first = {one.key: one for one in (*made, *gone) if one.table == table}
    return tuple(first[key] for key in sorted(first))


def _made_right(
    stream: Stream, table: Table, report: Report, most: int, chunk_rows: int
) -> tuple[Difference, ...]:
    """One table, in one transaction of the follower; which rows were wrong at that moment."""
    while True:
        catch_up(stream)
        try:
            with stream.at_one_moment():
                # It is on record as done: no crash may take it.
                stream.end.execute("SET LOCAL synchronous_commit = on")
                check_follows(stream)
                found = Alignment(stream, table, report, most).run(chunk_rows)
                crash_point("repair.mended")
            crash_point("repair.committed")
            return found
        except StalePosition:
            continue
