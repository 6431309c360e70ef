"""The first copy of the tables, chunk by chunk, while the application writes.

Each chunk is read in one repeatable-read snapshot together with the log up to it, and committed
together with the log's changes, the position and the cursor. So the copy is exact after every
step, without watermarks, and a step that did not commit has not happened.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from psycopg import sql

from modules.extraction.protocol.crashpoints import crash_point
from modules.extraction.protocol.errors import StalePosition
from modules.extraction.protocol.sides import Connection, Direction, Move, connect, row
from modules.extraction.protocol.streams import Stream
from modules.extraction.protocol.tables import Table

_NEXT = """
SELECT tab, name, state, cursor, rows, total FROM {room}.backfill
WHERE state <> 'done' ORDER BY state = 'waiting', tab LIMIT 1
"""
# A plain table has no partition tree, a partitioned one no rows of its own.
_ESTIMATE = """
SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class
WHERE relkind = 'r' AND (oid = %(table)s::regclass
    OR oid IN (SELECT relid FROM pg_partition_tree(%(table)s::regclass)))
"""
_CHUNK = """
SELECT {columns} FROM {table} AS t WHERE {beyond} ORDER BY {key} LIMIT {limit}
"""
_LAST = """
SELECT {key_texts} FROM (SELECT t.* FROM {table} AS t WHERE {beyond} ORDER BY {key} LIMIT {limit})
    AS t ORDER BY {backwards} LIMIT 1
"""
_DIGEST = """
SELECT count(*), coalesce(sum({h1}), 0), coalesce(sum({h2}), 0) FROM {table} AS t WHERE {within}
"""
_KEPT = """
UPDATE {room}.backfill SET state = %s, cursor = %s, rows = rows + %s, total = %s WHERE tab = %s
"""
_IS_THERE = """
SELECT state = %s AND cursor IS NOT DISTINCT FROM %s FROM {room}.backfill WHERE tab = %s
"""
_TOTALS = """
SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(greatest(rows, total)), 0)::bigint
FROM {room}.backfill
"""
_PACE = "SELECT chunk_rows, max_lag_rows, max_source_ms, paused FROM {room}.pace"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the copy stands; ``total_rows`` of a table is PostgreSQL's estimate."""

    table: str | None  # None: all are done
    done_rows: int
    total_rows: int
    finished: bool
    waits: str = ""  # why this step copied nothing


@dataclass(frozen=True, slots=True)
class Pace:
    """Bounds of the copy; kept in the target, so another process may change them meanwhile."""

    chunk_rows: int
    max_lag_rows: int  # beyond it, the stream catches up first
    max_source_ms: int  # a chunk that took longer is followed by a smaller one
    paused: bool


@dataclass(frozen=True, slots=True)
class Range:
    """Keys above ``low`` up to ``high``, each included or absent."""

    low: tuple[str, ...] | None
    high: tuple[str, ...] | None

    def holds(self, table: Table) -> sql.Composed:
        """As a condition on ``t``."""
        parts: list[sql.Composable] = [sql.SQL("true")]
        for operator, values in ((">", self.low), ("<=", self.high)):
            if values is not None:
                parts.append(
                    sql.SQL("ROW({}) {} ROW({})").format(
                        table.ordered_key("t"), sql.SQL(operator), table.key_values(values)
                    )
                )
        return sql.SQL(" AND ").join(parts)


class Backfill:
    """Copies all tables of a move, one after the other. Resumes wherever it was left."""

    def __init__(self, move: Move) -> None:
        self.move = move
        self.stream = Stream(move, Direction.FORWARD)
        self._room = sql.Identifier(move.target.room)
        self._chunk_rows: int | None = None

    def __enter__(self) -> Backfill:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End its sessions."""
        self.stream.close()

    def step(self) -> Progress:
        """Copy one chunk, or say why not. Another process that applies is no obstacle."""
        pace = self.pace()
        if pace.paused:
            return self._progress(waits="paused")
        for _attempt in range(20):
            try:
                if self._is_behind(pace):
                    return self._progress(waits="the stream catches up first")
                self._copy(pace)
                break
            except StalePosition:
                continue
        return self._progress()

    def run(self, *, seconds: float = 3600.0) -> Progress:
        """Step until all is copied. Raises TimeoutError, with what is copied kept."""
        until = time.monotonic() + seconds
        while not (progress := self.step()).finished:
            if time.monotonic() > until:
                raise TimeoutError(f"the copy of {self.move.module} is at {progress}")
            if progress.waits:
                time.sleep(0.02)
        return progress

    def pace(self) -> Pace:
        """The bounds as they are now."""
        return Pace(*row(self.stream.end, sql.SQL(_PACE).format(room=self._room)))

    def _is_behind(self, pace: Pace) -> bool:
        applied = self.stream.apply_once()
        return applied.lag_rows > pace.max_lag_rows

    def _copy(self, pace: Pace) -> None:
        at = self.stream.end.execute(sql.SQL(_NEXT).format(room=self._room)).fetchone()
        if at is None:
            return
        number, _name, state, cursor, _rows, total = at
        table = self.stream.appliers[number].table
        limit = min(self._chunk_rows or pace.chunk_rows, pace.chunk_rows)
        if state == "waiting":
            total = self._estimate(table)
        began = time.monotonic()
        with self.stream.at_one_moment():
            self._check_there(state, cursor, number)
            low = tuple(cursor) if cursor else None
            rows, high = self._copy_chunk(table, low, limit)
            state = "done" if rows < limit else "copying"
            self._keep(state, high or low, rows, total, number)
            crash_point("backfill.copied")
        crash_point("backfill.committed")
        self._adapt(pace, limit, (time.monotonic() - began) * 1000)

    def _copy_chunk(
        self, table: Table, low: tuple[str, ...] | None, limit: int
    ) -> tuple[int, tuple[str, ...] | None]:
        origin, end = self.stream.origin, self.stream.end
        ours = table.within(self.move.source.schema)
        parts = _parts(ours, Range(low, None), limit)
        last = origin.execute(sql.SQL(_LAST).format(**parts)).fetchone()
        if last is None:
            return 0, None
        chunk = Range(low, tuple(last))
        claimed = digest(origin, ours, chunk)
        _pipe(origin, end, table, sql.SQL(_CHUNK).format(**parts))
        actual = digest(end, table, chunk)
        self.stream.appliers[table.number].add(end, claimed, actual)
        return claimed[0], tuple(last)

    def _check_there(self, state: str, cursor: list[str] | None, number: int) -> None:
        """Raises StalePosition when the copy was gone on with, or begun anew, since we looked."""
        statement = sql.SQL(_IS_THERE).format(room=self._room)
        if not row(self.stream.end, statement, [state, cursor, number])[0]:
            raise StalePosition(f"the copy of table {number} is no longer at {cursor}")

    def _keep(
        self, state: str, cursor: tuple[str, ...] | None, rows: int, total: int, number: int
    ) -> None:
        values = [state, list(cursor) if cursor else None, rows, total, number]
        self.stream.end.execute(sql.SQL(_KEPT).format(room=self._room), values)

    def _estimate(self, table: Table) -> int:
        name = sql.Identifier(self.move.source.schema, table.name).as_string(self.stream.origin)
        found = self.stream.origin.execute(_ESTIMATE, {"table": name}).fetchone()
        return int(found[0]) if found else 0

    def _adapt(self, pace: Pace, limit: int, took: float) -> None:
        if took > pace.max_source_ms:
            self._chunk_rows = max(100, limit // 2)
        elif took * 4 < pace.max_source_ms:
            self._chunk_rows = min(pace.chunk_rows, limit * 2)

    def _progress(self, *, waits: str = "") -> Progress:
        end = self.stream.end
        at = end.execute(sql.SQL(_NEXT).format(room=self._room)).fetchone()
        done, total = row(end, sql.SQL(_TOTALS).format(room=self._room))
        return Progress(at[1] if at else None, done, total, at is None, waits)


def tune(move: Move, **changes: int | bool) -> Pace:
    """Change the copy's bounds, in every process: ``chunk_rows``, ``max_lag_rows``,
    ``max_source_ms``, ``paused``. Raises ``psycopg.Error`` for values that make no sense.
    """
    room = sql.Identifier(move.target.room)
    with connect(move.target, purpose="tune") as connection:
        for name, value in changes.items():
            connection.execute(
                sql.SQL("UPDATE {}.pace SET {} = %s").format(room, sql.Identifier(name)), [value]
            )
        return Pace(*row(connection, sql.SQL(_PACE).format(room=room)))


def digest(connection: Connection, table: Table, keys: Range) -> tuple[int, int, int]:
    """Count and both sums of the rows of ``table`` within ``keys``."""
    h1, h2 = table.hashes("t")
    statement = sql.SQL(_DIGEST).format(
        table=table.qualified, h1=h1, h2=h2, within=keys.holds(table)
    )
    count, sum_1, sum_2 = row(connection, statement)
    return count, sum_1, sum_2


def _parts(table: Table, keys: Range, limit: int) -> dict[str, sql.Composable]:
    return {
        "columns": table.names(table.written, "t"),
        "table": table.qualified,
        "beyond": keys.holds(table),
        "key": table.ordered_key("t"),
        "limit": sql.Literal(limit),
        "key_texts": table.key_texts("t"),
        "backwards": sql.SQL(", ").join(
            sql.SQL("{} DESC").format(one) for one in table.ordered_key_parts("t")
        ),
    }


def _pipe(origin: Connection, end: Connection, table: Table, chunk: sql.Composed) -> None:
    # In binary an older version may take what it does not know yet for another value.
    ours, theirs = (one.info.server_version // 10000 for one in (origin, end))
    form = sql.SQL("binary" if ours <= theirs else "text")
    out = sql.SQL("COPY ({}) TO STDOUT (FORMAT {})").format(chunk, form)
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(
        table.qualified, table.names(table.written), form
    )
    with origin.cursor().copy(out) as reading, end.cursor().copy(into) as writing:
        for data in reading:
            writing.write(data)
