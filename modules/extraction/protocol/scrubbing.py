"""Compares every row of both sides by key ranges, while the application writes.

Source: docs/extraction-protocol.md, *Verification*. A chunk is looked at on both sides as of one
moment, so what is in flight is no difference. It finds what was written around the triggers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from modules.extraction.protocol.copying import Range, digest
from modules.extraction.protocol.draining import catch_up
from modules.extraction.protocol.errors import StalePosition
from modules.extraction.protocol.owning import ownership
from modules.extraction.protocol.sides import SERVICE, Connection, Direction, Move, row
from modules.extraction.protocol.streams import Stream
from modules.extraction.protocol.tables import Table

CHUNK_ROWS = 50_000  # 0.1 s of reading, during which the stream waits
SHOWN = 100  # differences that are named; all are counted

_BOUND = """
SELECT {key_texts} FROM {table} AS t WHERE {beyond} ORDER BY {key} OFFSET {rows} LIMIT 1
"""
_ROWS = "SELECT {key_text}, {h1}, {h2} FROM {table} AS t WHERE {within}"
_BEGIN = """
INSERT INTO {room}.scrub (started_at, direction) VALUES (clock_timestamp(), %s)
RETURNING started_at
"""
_END = """
UPDATE {room}.scrub SET finished_at = clock_timestamp(), rows = %s, differences = %s
WHERE started_at = %s
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not the same; ``kind`` is missing, extra or changed, seen from the
    authority's copy.
    """

    table: str
    key: str
    kind: str


@dataclass(frozen=True, slots=True)
class ScrubResult:
    """``differences`` names the first ones, ``count`` counts all."""

    started_at: datetime
    tables: tuple[tuple[str, int], ...]  # name, rows compared
    differences: tuple[Difference, ...]
    count: int


@dataclass(frozen=True, slots=True)
class ScrubProgress:
    """After each chunk."""

    table: str
    rows: int
    differences: int


def scrub(
    move: Move,
    on_progress: Callable[[ScrubProgress], None] = lambda _progress: None,
    *,
    chunk_rows: int = CHUNK_ROWS,
    shown: int = SHOWN,
    kept: bool = True,
) -> ScrubResult:
    """Compare all rows, from the authority's side; the result is ``kept`` for the preflight.

    Raises what a stream raises when a side is away. Nothing is changed in the module's tables but
    what the stream brings anyway.
    """
    is_moved = ownership(move.source).owner == SERVICE
    with Stream(move, Direction.REVERSE if is_moved else Direction.FORWARD) as stream:
        return _Scrub(stream, on_progress, chunk_rows, shown, kept=kept).run()


class _Scrub:
    def __init__(
        self,
        stream: Stream,
        report: Callable[[ScrubProgress], None],
        chunk_rows: int,
        shown: int,
        *,
        kept: bool,
    ) -> None:
        self._stream, self._report, self._rows = stream, report, chunk_rows
        self._shown, self._is_kept = shown, kept
        self._room = sql.Identifier(stream.move.target.room)
        self._found: list[Difference] = []
        self._count = 0

    def run(self) -> ScrubResult:
        catch_up(self._stream)
        began = self._begin()
        tables = tuple(
            (applier.table.name, self._table(applier.table))
            for applier in self._stream.appliers.values()
        )
        if self._is_kept:
            rows = sum(rows for _name, rows in tables)
            end = sql.SQL(_END).format(room=self._room)
            self._record.execute(end, [rows, self._count, began])
        return ScrubResult(began, tables, tuple(self._found[: self._shown]), self._count)

    def _begin(self) -> datetime:
        if not self._is_kept:
            return row(self._record, "SELECT clock_timestamp()")[0]  # type: ignore[no-any-return]
        begin = sql.SQL(_BEGIN).format(room=self._room)
        return row(self._record, begin, [self._stream.direction])[0]  # type: ignore[no-any-return]

    @property
    def _record(self) -> Connection:
        stream = self._stream
        return stream.origin if not stream.origin_side.is_source else stream.end

    def _table(self, table: Table) -> int:
        rows, low = 0, None
        theirs = table  # the end's; the origin's differs in the schema's name alone
        ours = self._as_origin(table)
        while True:
            try:
                high, count = self._chunk(ours, theirs, low)
            except StalePosition:
                continue
            rows += count
            self._report(ScrubProgress(table.name, rows, self._count))
            if high is None:
                return rows
            low = high

    def _chunk(
        self, ours: Table, theirs: Table, low: tuple[str, ...] | None
    ) -> tuple[tuple[str, ...] | None, int]:
        origin, end = self._stream.origin, self._stream.end
        catch_up(self._stream)
        with self._stream.at_one_moment():
            keys = Range(low, chunk_end(origin, ours, low, self._rows))
            one, found = differing(origin, end, ours, theirs, keys)
        self._found += found[: max(0, self._shown - len(self._found))]
        self._count += len(found)
        return keys.high, one[0]

    def _as_origin(self, table: Table) -> Table:
        return table.within(self._stream.origin_side.schema)


def chunks(origin: Connection, table: Table, rows: int) -> Iterator[Range]:
    """The whole table in ranges of so many rows, as ``origin`` sees it; the last one has no end."""
    low: tuple[str, ...] | None = None
    while True:
        high = chunk_end(origin, table, low, rows)
        yield Range(low, high)
        if high is None:
            return
        low = high


def chunk_end(
    origin: Connection, table: Table, low: tuple[str, ...] | None, rows: int
) -> tuple[str, ...] | None:
    """The key of the chunk's last row, or None: the rest of the table."""
    statement = sql.SQL(_BOUND).format(
        key_texts=table.key_texts("t"),
        table=table.qualified,
        beyond=Range(low, None).holds(table),
        key=table.ordered_key("t"),
        rows=sql.Literal(rows - 1),
    )
    found = origin.execute(statement).fetchone()
    return tuple(found) if found else None


def differing(
    origin: Connection, end: Connection, ours: Table, theirs: Table, keys: Range
) -> tuple[tuple[int, int, int], list[Difference]]:
    """The origin's count and sums of the rows within ``keys``, and where the end's are others."""
    one, other = digest(origin, ours, keys), digest(end, theirs, keys)
    if one == other:
        return one, []
    found = _differences(ours, _rows(origin, ours, keys), _rows(end, theirs, keys))
    return one, found


def _rows(connection: Connection, table: Table, keys: Range) -> dict[str, tuple[int, int]]:
    h1, h2 = table.hashes("t")
    statement = sql.SQL(_ROWS).format(
        key_text=table.key_text("t"), h1=h1, h2=h2, table=table.qualified, within=keys.holds(table)
    )
    return {row[0]: (row[1], row[2]) for row in connection.execute(statement)}


def _differences(
    table: Table, ours: dict[str, tuple[int, int]], theirs: dict[str, tuple[int, int]]
) -> list[Difference]:
    kinds = {
        key: "missing" if key not in theirs else "extra" if key not in ours else "changed"
        for key in ours.keys() | theirs.keys()
        if ours.get(key) != theirs.get(key)
    }
    return [Difference(table.name, key, kind) for key, kind in sorted(kinds.items())]
