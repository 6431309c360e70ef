"""Reads what is new in a log, folded to one image per row, in one statement at the origin.

The arrays of images leave PostgreSQL as literals and go into the other side as they are. Most of
the cost of a replicated row would otherwise be quoting it in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from psycopg import sql

from modules.extraction.protocol.positions import Position
from modules.extraction.protocol.sides import Connection, Side
from modules.extraction.protocol.tables import Table

_READ = """
WITH moment AS MATERIALIZED (
    SELECT coalesce(%(upto)s::pg_snapshot, pg_current_snapshot()) AS upto,
           pg_current_wal_insert_lsn()::text AS written
), piece AS MATERIALIZED (
    SELECT l.* FROM {room}.unseen(%(base)s::pg_snapshot) l
    WHERE %(upto)s::pg_snapshot IS NULL
       OR pg_visible_in_snapshot(l.xid, %(upto)s::pg_snapshot) AND l.id > %(after)s
    ORDER BY l.id LIMIT %(limit)s
), meta AS (
    SELECT count(*) AS rows, max(id) AS last, max(id) FILTER (WHERE op = 'M') AS marker,
           (array_agg(image ORDER BY id DESC) FILTER (WHERE op = 'M'))[1] AS sequences
    FROM piece
), kept AS MATERIALIZED (
    SELECT l.* FROM piece l WHERE l.op <> 'M' AND {is_kept}
), counted AS (
    SELECT tab, count(*) FILTER (WHERE op = 'I') - count(*) FILTER (WHERE op = 'D') AS n,
           coalesce(sum(n1), 0) - coalesce(sum(o1), 0) AS s1,
           coalesce(sum(n2), 0) - coalesce(sum(o2), 0) AS s2
    FROM kept GROUP BY tab
), folded AS (
    SELECT DISTINCT ON (tab, key) tab, op, image FROM kept ORDER BY tab, key, id DESC
), packed AS (
    SELECT tab, (array_agg(image) FILTER (WHERE op <> 'D'))::text AS puts,
           (array_agg(image) FILTER (WHERE op = 'D'))::text AS drops
    FROM folded GROUP BY tab
)
SELECT moment.upto::text, moment.written, meta.rows, meta.last, meta.marker, meta.sequences,
       c.tab, c.n, c.s1, c.s2, p.puts, p.drops
FROM moment CROSS JOIN meta LEFT JOIN counted c ON true LEFT JOIN packed p ON p.tab = c.tab
ORDER BY c.tab
"""
_WAITING = """
SELECT count(*) FROM (
    SELECT FROM {room}.unseen(%(base)s::pg_snapshot) l
    WHERE %(upto)s::pg_snapshot IS NULL
       OR pg_visible_in_snapshot(l.xid, %(upto)s::pg_snapshot) AND l.id > %(after)s
    LIMIT %(limit)s
) waiting
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch does to one table: images to stand there, old images of rows to go (array
    literals), and what that does to the count and the two sums of hashes.
    """

    tab: int
    count: int
    sum_1: Decimal
    sum_2: Decimal
    puts: str | None
    drops: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything between two positions."""

    before: Position
    after: Position
    rows: int  # of the log
    changes: tuple[Change, ...]
    marker: int | None  # of a fence that is in this batch
    sequences: str | None  # JSON: where they stood at that fence
    written: str  # where the origin's write-ahead log ended when this was read

    @property
    def is_complete(self) -> bool:
        """Whether nothing was waiting behind it when it was read."""
        return self.after.upto is None


@dataclass(frozen=True, slots=True)
class Copied:
    """How far the first copy has come: tables done, and one in work up to a key."""

    done: tuple[int, ...]
    table: Table | None = None
    cursor: tuple[str, ...] | None = None

    def keeps(self) -> sql.Composable:
        """A condition on the log's rows. Keys beyond the cursor are left out: the chunk that
        brings them is read later and brings them as they are then.
        """
        done = sql.SQL("l.tab = ANY (%(done)s::smallint[])")
        if self.table is None or self.cursor is None:
            return done
        return sql.SQL(
            "CASE WHEN l.tab = {} THEN (SELECT ROW({}) <= ROW({}) "
            "FROM (SELECT (l.image::{}).* OFFSET 0) k) ELSE {} END"
        ).format(
            sql.Literal(self.table.number),
            self.table.ordered_key("k"),
            self.table.key_values(self.cursor),
            self.table.qualified,
            done,
        )


def read_batch(
    origin: Connection, side: Side, position: Position, copied: Copied, *, limit: int | None
) -> Batch:
    """What is new in ``side``'s log since ``position``; at most ``limit`` of its rows."""
    values = {**_values(position), "limit": limit, "done": list(copied.done)}
    # Prepared: planning would take longer than reading the few rows of a pause.
    rows = origin.execute(_statement(side.room, copied), values, prepare=True).fetchall()
    upto, written, count, last, marker, sequences = rows[0][:6]
    whole = limit is None or count < limit
    turn = position.turn + 1
    after = Position(turn, upto) if whole else Position(turn, position.base, upto, last)
    changes = tuple(Change(*row[6:]) for row in rows if row[6] is not None)
    return Batch(position, after, count, changes, marker, sequences, written)


def _statement(room: str, copied: Copied) -> bytes:
    """Put together once for as long as no table is being copied."""
    if copied.table is None:
        return _once(_READ, room)
    return sql.SQL(_READ).format(room=sql.Identifier(room), is_kept=copied.keeps()).as_bytes()


@cache
def _once(text: str, room: str) -> bytes:
    is_kept = Copied(()).keeps()  # the tables that are done are a parameter
    return sql.SQL(text).format(room=sql.Identifier(room), is_kept=is_kept).as_bytes()


def count_waiting(origin: Connection, side: Side, position: Position, *, limit: int) -> int:
    """How many rows of the log are new since ``position``; ``limit`` when there are more."""
    statement = sql.SQL(_WAITING).format(room=sql.Identifier(side.room))
    found = origin.execute(statement, {**_values(position), "limit": limit}).fetchone()
    return int(found[0]) if found else 0


def _values(position: Position) -> dict[str, object]:
    return {"base": position.base, "upto": position.upto, "after": position.after}
