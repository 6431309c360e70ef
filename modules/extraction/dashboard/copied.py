"""How much of the first copy is done, table by table, and how long the rest will take."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from modules.extraction.dashboard.keeping import Pace
from modules.extraction.protocol import Move
from modules.extraction.protocol.sides import connect

_TABLES = "SELECT name, state, rows, total FROM {room}.backfill ORDER BY name"
# A partition's parent has no rows of its own; -1 is a table that was never analyzed.
_ESTIMATES = """
SELECT n.name, sum(greatest(c.reltuples, 0))::bigint,
       bool_or(c.reltuples < 0 AND pg_relation_size(c.oid) > 0)
FROM unnest(%s::text[]) AS n (name)
JOIN LATERAL (
    SELECT format('%%I.%%I', %s::text, n.name)::regclass AS oid
    UNION SELECT relid FROM pg_partition_tree(format('%%I.%%I', %s::text, n.name)::regclass)
) p ON true
JOIN pg_class c ON c.oid = p.oid AND c.relkind = 'r'
GROUP BY n.name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCopy:
    """One table. ``total`` is PostgreSQL's estimate, never less than what is copied."""

    table: str
    state: str  # waiting, copying, done
    rows: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """All tables. ``seconds_left``: at the pace of late; None while nobody can say.

    ``uncounted`` are tables that wait and that PostgreSQL has never counted.
    """

    tables: tuple[TableCopy, ...]
    seconds_left: float | None
    uncounted: int

    @property
    def done(self) -> int:
        return sum(one.rows for one in self.tables)

    @property
    def total(self) -> int:
        return sum(one.total for one in self.tables)

    @property
    def finished(self) -> bool:
        return all(one.state == "done" for one in self.tables)


def copied(move: Move, pace: Pace) -> Copied:
    """As the service's database says. Raises psycopg's errors when a side is away."""
    room = sql.Identifier(move.target.room)
    with connect(move.target, purpose="dashboard") as target:
        rows = target.execute(sql.SQL(_TABLES).format(room=room)).fetchall()
    waiting = [name for name, state, *_ in rows if state == "waiting"]
    estimates, uncounted = _estimated(move, waiting)
    tables = tuple(
        TableCopy(
            table=name,
            state=state,
            rows=done,
            # A finished table's estimate was never more than that.
            total=done if state == "done" else max(done, total or 0, estimates.get(name, 0)),
        )
        for name, state, done, total in rows
    )
    found = Copied(tables=tables, seconds_left=None, uncounted=uncounted)
    left = pace.seconds_left(("copy", move.module), found.done, found.total)
    is_known = not found.finished and not uncounted
    return Copied(tables=tables, seconds_left=left if is_known else None, uncounted=uncounted)


def _estimated(move: Move, tables: list[str]) -> tuple[dict[str, int], int]:
    """Rows by table as PostgreSQL guesses them, and how many tables it cannot guess."""
    if not tables:
        return {}, 0
    schema = move.source.schema
    with connect(move.source, purpose="dashboard") as source:
        found = source.execute(_ESTIMATES, [tables, schema, schema]).fetchall()
    return {name: rows for name, rows, _ in found}, sum(bool(odd) for *_, odd in found)
