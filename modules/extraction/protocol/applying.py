"""Brings one batch into one table, and says what that did to its count and sums.

Source: docs/extraction-protocol.md, *Replication*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import psycopg
from psycopg import sql

from modules.extraction.protocol.errors import StreamStopped
from modules.extraction.protocol.reading import Change
from modules.extraction.protocol.sides import Connection, Side
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
_PUT = """, put AS (
    {insert} {update}
    RETURNING WITH (OLD AS o, NEW AS n)
              o.{first} IS NULL AS is_new, {n1} AS n1, {n2} AS n2, {o1} AS o1, {o2} AS o2
), done AS (
    SELECT count(*) FILTER (WHERE is_new) AS n, coalesce(sum(n1), 0) - coalesce(sum(o1), 0) AS s1,
           coalesce(sum(n2), 0) - coalesce(sum(o2), 0) AS s2 FROM put
)"""
# Before PostgreSQL 18: lock and sum what will be replaced, then replace it.
_HELD = """, held AS MATERIALIZED (
    SELECT t.* FROM {table} t JOIN given g ON {same} FOR UPDATE OF t
), done AS (
    SELECT -count(*) AS n, -coalesce(sum({h1}), 0) AS s1, -coalesce(sum({h2}), 0) AS s2 FROM held h
)"""
_SUMMED = """, put AS (
    {statement} RETURNING {h1} AS n1, {h2} AS n2
), done AS (
    SELECT {sign} count(*) AS n, {sign} coalesce(sum(n1), 0) AS s1,
           {sign} coalesce(sum(n2), 0) AS s2 FROM put
)"""
_DELETE = "DELETE FROM {table} t USING given g WHERE {same}"
_CLAIMED = """
UPDATE {room}.sums SET
    claimed_n = claimed_n + %(n)s, claimed_1 = claimed_1 + %(s1)s, claimed_2 = claimed_2 + %(s2)s,
    actual_n = actual_n + {n}, actual_1 = actual_1 + {s1}, actual_2 = actual_2 + {s2}
{done} WHERE stream = {stream} AND tab = {tab}
"""
# A unique value, or what an exclusion constraint guards, that another row has.
TAKEN = (psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation)
# What a table says again however often it is asked: to a row, or to a structure that has changed.
REFUSALS = (
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.DatatypeMismatch,
    psycopg.errors.CannotCoerce,
)
# Count and two sums of hashes; of the types that a change has, or they are other statements.
_NOTHING = {"n": 0, "s1": Decimal(0), "s2": Decimal(0)}
Sums = tuple[object, ...]  # the same
Claim = Mapping[str, object]  # n, s1, s2: what the origin says that a change does
# Each takes images, and adds a claim and what it has done. Bytes: to put them together anew was a
# tenth of bringing a few rows.
Statements = tuple[bytes, ...]


@dataclass(frozen=True)
class Applier:
    """Applies changes to one table of ``side``. ``has_old`` says whether RETURNING knows OLD."""

    side: Side
    table: Table
    stream: str
    has_old: bool

    def send(self, connection: Connection, change: Change) -> None:
        """Rows that go, then rows that come, and both sums; in the caller's transaction.

        Reads nothing: in a pipeline that is no round trip. What the table refuses, ``apply`` says
        better, or gets done.
        """
        claim = self._drop_all(connection, change)
        if change.puts is not None:
            self._run(connection, self._put_all, change.puts, claim)

    def apply(self, connection: Connection, change: Change) -> None:
        """The same, one statement after the other. Raises StreamStopped when the table refuses."""
        try:
            claim = self._drop_all(connection, change)
            if change.puts is not None:
                self._put_surely(connection, change.puts, claim)
        except REFUSALS as error:
            raise StreamStopped(self.stream, self.table.name, error) from error

    def add(self, connection: Connection, claimed: Sums, actual: Sums) -> None:
        """Add to both sums of the stream."""
        done = {name: sql.Literal(figure) for name, figure in zip(_NOTHING, actual, strict=True)}
        claim = dict(zip(_NOTHING, claimed, strict=True))
        connection.execute(self._claimed(sql.SQL(""), **done), claim)

    def _drop_all(self, connection: Connection, change: Change) -> Claim:
        """The claim that is left for what comes."""
        claim = {"n": change.count, "s1": change.sum_1, "s2": change.sum_2}
        if change.drops is None:
            return claim
        self._run(connection, (self._drop,), change.drops, claim)
        return _NOTHING

    def _put_surely(self, connection: Connection, images: str, claim: Claim) -> None:
        if not (self.table.is_updatable and self.table.has_other_keys):
            self._run(connection, self._put_all, images, claim)
            return
        try:
            with connection.transaction():
                self._run(connection, self._put_all, images, claim)
        except TAKEN:
            # Folded into one batch, rows may have swapped a unique value in steps that the fold
            # has left out: no order of updates leads there.
            self._run(connection, self._replace, images, claim)

    def _run(
        self, connection: Connection, statements: Statements, images: str, claim: Claim
    ) -> None:
        for statement in statements:
            connection.execute(statement, {"images": images, **claim}, prepare=True)
            claim = _NOTHING

    @cached_property
    def _put_all(self) -> Statements:
        if not self.table.is_updatable:
            return self._replace
        if self.has_old:
            return (self._put,)
        return self._held, self._put_blind

    @cached_property
    def _replace(self) -> Statements:
        return self._drop, self._insert

    @cached_property
    def _put(self) -> bytes:
        n1, n2 = self.table.hashes("n")
        o1, o2 = self.table.hashes("o")
        return self._make(
            _PUT,
            insert=self._format(_INSERT),
            update=self._format(_UPDATE),
            first=sql.Identifier(self.table.key[0].name),
            n1=n1,
            n2=n2,
            o1=o1,
            o2=o2,
        )

    @cached_property
    def _held(self) -> bytes:
        h1, h2 = self.table.hashes("h")
        return self._make(_HELD, h1=h1, h2=h2)

    @cached_property
    def _put_blind(self) -> bytes:
        return self._summed(f"{_INSERT} {_UPDATE}", sign="")

    @cached_property
    def _insert(self) -> bytes:
        return self._summed(_INSERT, sign="")

    @cached_property
    def _drop(self) -> bytes:
        return self._summed(_DELETE, sign="-")

    def _summed(self, statement: str, *, sign: str) -> bytes:
        h1, h2 = self.table.hashes("t")
        return self._make(
            _SUMMED, statement=self._format(statement), sign=sql.SQL(sign), h1=h1, h2=h2
        )

    def _make(self, text: str, **parts: sql.Composable) -> bytes:
        """The given images, what ``text`` does with them, and the sums of it."""
        done = {name: sql.SQL(f"done.{name}") for name in _NOTHING}
        said = self._format(_GIVEN + text, **parts) + self._claimed(sql.SQL("FROM done"), **done)
        return said.as_bytes()

    def _claimed(self, done: sql.Composable, **actual: sql.Composable) -> sql.Composed:
        return sql.SQL(_CLAIMED).format(
            room=sql.Identifier(self.side.room),
            done=done,
            stream=sql.Literal(self.stream),
            tab=sql.Literal(self.table.number),
            **actual,
        )

    def _format(self, text: str, **parts: sql.Composable) -> sql.Composed:
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
