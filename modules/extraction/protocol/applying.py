"""Brings one batch into one table, and says what that did to its count and sums.

Source: docs/extraction-protocol.md, *Replication*.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import psycopg
from psycopg import sql

from modules.extraction.protocol.errors import StreamStopped
from modules.extraction.protocol.reading import Change
from modules.extraction.protocol.sides import Connection, Side, row
from modules.extraction.protocol.tables import Table

# OFFSET 0 keeps the subquery a subquery: pulled up, the image would be cast once per column.
_GIVEN = """
WITH given AS MATERIALIZED (
    SELECT (one.row).* FROM (
        SELECT image::{table} AS row FROM unnest(%(images)s::text[]) AS image OFFSET 0
    ) one
)"""
_INSERT = "INSERT INTO {table} AS t ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM given"
_UPDATE = "ON CONFLICT ({key}) DO UPDATE SET {sets}"
# What is replaced and what now stands come out of the same statement, from PostgreSQL 18 on.
_PUT = (
    _GIVEN
    + """, put AS (
    """
    + _INSERT
    + """
    """
    + _UPDATE
    + """
    RETURNING WITH (OLD AS o, NEW AS n)
              o.{first} IS NULL AS is_new, {n1} AS n1, {n2} AS n2, {o1} AS o1, {o2} AS o2
)
SELECT count(*) FILTER (WHERE is_new), coalesce(sum(n1), 0) - coalesce(sum(o1), 0),
       coalesce(sum(n2), 0) - coalesce(sum(o2), 0) FROM put
"""
)
# Before PostgreSQL 18: lock and sum what will be replaced, then replace it.
_BEFORE = """, held AS MATERIALIZED (
    SELECT t.* FROM {table} t JOIN given g ON {same} FOR UPDATE OF t
)
SELECT -count(*), -coalesce(sum({h1}), 0), -coalesce(sum({h2}), 0) FROM held h
"""
_SUMMED = """, put AS (
    {statement} RETURNING {h1} AS n1, {h2} AS n2
)
SELECT {sign} count(*), {sign} coalesce(sum(n1), 0), {sign} coalesce(sum(n2), 0) FROM put
"""
_DELETE = "DELETE FROM {table} t USING given g WHERE {same}"
_ADD = """
UPDATE {room}.sums SET
    claimed_n = claimed_n + %s, claimed_1 = claimed_1 + %s, claimed_2 = claimed_2 + %s,
    actual_n = actual_n + %s, actual_1 = actual_1 + %s, actual_2 = actual_2 + %s
WHERE stream = %s AND tab = %s
"""
# A unique value, or what an exclusion constraint guards, that another row has.
TAKEN = (psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation)
# What a table says again however often it is asked: to a row, or to a structure that has changed.
_REFUSALS = (
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.DatatypeMismatch,
    psycopg.errors.CannotCoerce,
)
Sums = tuple[int, int, int]


@dataclass(frozen=True)
class Applier:
    """Applies changes to one table of ``side``. ``has_old`` says whether RETURNING knows OLD."""

    side: Side
    table: Table
    stream: str
    has_old: bool

    def apply(self, connection: Connection, change: Change) -> None:
        """Rows that go, then rows that come, then both sums. In the caller's transaction.

        Raises StreamStopped when the table refuses them.
        """
        try:
            done = self._apply(connection, change)
        except _REFUSALS as error:
            raise StreamStopped(self.stream, self.table.name, error) from error
        actual = [sum(parts) for parts in zip(*done, strict=True)] or [0, 0, 0]
        self.add(connection, (change.count, change.sum_1, change.sum_2), tuple(actual))

    def add(
        self, connection: Connection, claimed: tuple[object, ...], actual: tuple[object, ...]
    ) -> None:
        """Add to both sums of the stream."""
        statement = sql.SQL(_ADD).format(room=sql.Identifier(self.side.room))
        connection.execute(statement, [*claimed, *actual, self.stream, self.table.number])

    def _apply(self, connection: Connection, change: Change) -> list[Sums]:
        done: list[Sums] = []
        if change.drops is not None:
            done.append(self._run(connection, self._drop, change.drops))
        if change.puts is not None:
            done.append(self._put_all(connection, change.puts))
        return done

    def _put_all(self, connection: Connection, images: str) -> Sums:
        if not self.table.is_updatable:
            return self._replace(connection, images)
        if not self.table.has_other_keys:
            return self._upsert(connection, images)
        try:
            with connection.transaction():
                return self._upsert(connection, images)
        except TAKEN:
            # Folded into one batch, rows may have swapped a unique value in steps that the fold
            # has left out: no order of updates leads there.
            return self._replace(connection, images)

    def _upsert(self, connection: Connection, images: str) -> Sums:
        if self.has_old:
            return self._run(connection, self._put, images)
        before = self._run(connection, self._held, images)
        n, s1, s2 = self._run(connection, self._put_blind, images)
        return n + before[0], s1 + before[1], s2 + before[2]

    def _replace(self, connection: Connection, images: str) -> Sums:
        gone = self._run(connection, self._drop, images)
        n, s1, s2 = self._run(connection, self._insert, images)
        return n + gone[0], s1 + gone[1], s2 + gone[2]

    def _run(self, connection: Connection, statement: sql.Composed, images: str) -> Sums:
        n, sum_1, sum_2 = row(connection, statement, {"images": images})
        return n, sum_1, sum_2

    @cached_property
    def _put(self) -> sql.Composed:
        n1, n2 = self.table.hashes("n")
        o1, o2 = self.table.hashes("o")
        first = sql.Identifier(self.table.key[0].name)
        return self._make(_PUT, n1=n1, n2=n2, o1=o1, o2=o2, first=first)

    @cached_property
    def _held(self) -> sql.Composed:
        h1, h2 = self.table.hashes("h")
        return self._make(_GIVEN + _BEFORE, h1=h1, h2=h2)

    @cached_property
    def _put_blind(self) -> sql.Composed:
        return self._summed(f"{_INSERT} {_UPDATE}", sign="")

    @cached_property
    def _insert(self) -> sql.Composed:
        return self._summed(_INSERT, sign="")

    @cached_property
    def _drop(self) -> sql.Composed:
        return self._summed(_DELETE, sign="-")

    def _summed(self, statement: str, *, sign: str) -> sql.Composed:
        h1, h2 = self.table.hashes("t")
        return self._make(
            _GIVEN + _SUMMED, statement=self._make(statement), sign=sql.SQL(sign), h1=h1, h2=h2
        )

    def _make(self, text: str, **parts: sql.Composable) -> sql.Composed:
        return sql.SQL(text).format(
            table=self.table.qualified,
            columns=self.table.names(self.table.written),
            key=self.table.names(self.table.key),
            same=self.table.same_key("t", "g"),
            sets=self._sets(),
            **parts,
        )

    def _sets(self) -> sql.Composed:
        return sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(column.name))
            for column in self.table.rest
        )
