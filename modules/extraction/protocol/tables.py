"""What the protocol must know of a table: columns, key, how a row of it is hashed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from psycopg import sql

from modules.extraction.protocol import hashing
from modules.extraction.protocol.errors import Unmovable
from modules.extraction.protocol.sides import Connection, Move, Side

# Two independent hashes: with one, a forged or unlucky pair of rows goes unseen once in 2^64.
SEEDS = (7640891576956012809, 4354685564936845355)

# Types of key columns whose text is the same in every session, and equal just when the values are.
_KEYS = frozenset({"smallint", "integer", "bigint", "uuid", "text", "boolean", "date", "bytea"})
_COLLATED = ("text", "character varying")

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '', a.attidentity = 'a',
       a.atttypid, coalesce(c.collisdeterministic, true), t.typcategory = 'G', t.typsend::text
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_collation c ON c.oid = a.attcollation
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KEY = """
SELECT a.attname, i.indimmediate FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k (attnum, n)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = %s AND i.indisprimary ORDER BY k.n
"""
_UNIQUE = """
SELECT EXISTS (SELECT FROM pg_index
               WHERE indrelid = %s AND NOT indisprimary AND (indisunique OR indisexclusion))
"""
_PARTITIONS = """
SELECT c.relname FROM pg_partition_tree(%s::oid::regclass) p JOIN pg_class c ON c.oid = p.relid
WHERE p.level > 0 ORDER BY 1
"""


class Column(NamedTuple):
    """A column as both sides must have it. ``as_hashed`` is a pattern around the value."""

    name: str
    type: str
    is_generated: bool
    is_always: bool  # GENERATED ALWAYS AS IDENTITY: cannot be updated
    as_hashed: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a move; ``number`` stands for it in the log."""

    number: int
    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[Column, ...]
    has_other_keys: bool  # unique or exclusion constraints besides the primary key
    partitions: tuple[str, ...]

    @property
    def qualified(self) -> sql.Identifier:
        """The qualified name."""
        return sql.Identifier(self.schema, self.name)

    @property
    def written(self) -> tuple[Column, ...]:
        """The columns that an INSERT names: generated ones make themselves."""
        return tuple(column for column in self.columns if not column.is_generated)

    @property
    def rest(self) -> tuple[Column, ...]:
        """The columns that an update sets."""
        return tuple(column for column in self.written if column not in self.key)

    @property
    def is_updatable(self) -> bool:
        """Whether ON CONFLICT DO UPDATE can bring a row to any image of it."""
        return bool(self.rest) and not any(column.is_always for column in self.rest)

    def names(self, columns: tuple[Column, ...], of: str | None = None) -> sql.Composed:
        """``a, b``, or ``t.a, t.b``."""
        return sql.SQL(", ").join(_path(of, column.name) for column in columns)

    def hash(self, row: str, seed: int) -> sql.Composed:
        """A 64-bit hash of the row variable or alias ``row``; NULL when there is no row.

        The hash is hashed again: hash_record combines columns linearly enough that two rows
        which swap a value leave the sum of its hashes as it was.
        """
        return sql.SQL("hashint8extended(hash_record_extended({}, {}), {})").format(
            self._record(row), sql.Literal(seed), sql.Literal(seed)
        )

    def hashes(self, row: str) -> tuple[sql.Composed, sql.Composed]:
        """Both hashes of ``row``."""
        return self.hash(row, SEEDS[0]), self.hash(row, SEEDS[1])

    def key_text(self, row: str) -> sql.Composed:
        """The key of ``row`` as text, the same in every session."""
        if len(self.key) == 1:
            # A bytea's text is as the session's bytea_output says.
            one = "encode({}, 'hex')" if self.key[0].type == "bytea" else "{}::text"
            return sql.SQL(one).format(_path(row, self.key[0].name))
        return sql.SQL("ROW({})::text").format(self.names(self.key, row))

    def ordered_key(self, of: str) -> sql.Composed:
        """The key's columns to sort and compare by. Texts sort by their bytes: collations of two
        servers may differ. Columns are named with their table, because a bare ``ORDER BY id``
        would take an output column ``id::text``.
        """
        return sql.SQL(", ").join(self.ordered_key_parts(of))

    def ordered_key_parts(self, of: str) -> tuple[sql.Composed, ...]:
        """The same, one by one."""
        return tuple(
            sql.SQL('{} COLLATE "C"' if column.type.startswith(_COLLATED) else "{}").format(
                _path(of, column.name)
            )
            for column in self.key
        )

    def key_texts(self, row: str) -> sql.Composed:
        """The key's columns as texts, one by one."""
        return sql.SQL(", ").join(
            sql.SQL("{}::text").format(_path(row, column.name)) for column in self.key
        )

    def within(self, schema: str) -> Table:
        """The same table in another schema."""
        return replace(self, schema=schema)

    def key_values(self, values: tuple[str, ...]) -> sql.Composed:
        """Literals of the key's types."""
        return sql.SQL(", ").join(
            sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(column.type))
            for column, value in zip(self.key, values, strict=True)
        )

    def same_key(self, one: str, other: str) -> sql.Composed:
        """``one.k = other.k AND ...``"""
        return sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(_path(one, column.name), _path(other, column.name))
            for column in self.key
        )

    def _record(self, row: str) -> sql.Composable:
        if all(not c.is_generated and c.as_hashed == "{}" for c in self.columns):
            return sql.SQL(row)
        parts = (
            sql.SQL(column.as_hashed).format(_path(row, column.name)) for column in self.written
        )
        # Without a row all fields are NULL, and their hash is not.
        return sql.SQL("CASE WHEN {} IS NOT NULL THEN ROW({}) END").format(
            _path(row, self.key[0].name), sql.SQL(", ").join(parts)
        )


def _path(of: str | None, name: str) -> sql.Composable:
    if of is None:
        return sql.Identifier(name)
    return sql.SQL("{}.{}").format(sql.SQL(of), sql.Identifier(name))


def read_tables(connection: Connection, side: Side, names: tuple[str, ...]) -> tuple[Table, ...]:
    """The tables of ``side``, numbered by name from 1. Raises Unmovable with all reasons."""
    found = _read_all(connection, side.schema, names)
    reasons = [f"{side.name}: {name} {why}" for name, why in found if isinstance(why, str)]
    if reasons:
        raise Unmovable(reasons)
    return tuple(table for _, table in found if isinstance(table, Table))


def refusals(connection: Connection, schema: str, names: Iterable[str]) -> dict[str, str]:
    """Why tables could not be moved, by their names: ``has no primary key, ...``."""
    found = _read_all(connection, schema, names)
    return {name: why for name, why in found if isinstance(why, str)}


def differences(
    source: tuple[Table, ...], target: tuple[Table, ...], *, partitions: bool = True
) -> tuple[str, ...]:
    """Where two sides' tables differ: columns, their order and types, key, partitions if asked."""
    return tuple(
        f"{ours.name} differs in its {what} between the two sides"
        for ours, theirs in zip(source, target, strict=True)
        for what, one, other in (
            ("columns", ours.columns, theirs.columns),
            ("primary key", ours.key, theirs.key),
            ("partitions", ours.partitions, theirs.partitions),
        )
        if one != other and (partitions or what != "partitions")
    )


def movable_tables(side: Side, connection: Connection) -> tuple[str, ...]:
    """All tables of the module's schema but Django's record of what was migrated there."""
    rows = connection.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = %s::regnamespace "
        "AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
        "AND c.relname <> 'django_migrations' ORDER BY 1",
        [sql.Identifier(side.schema).as_string(connection)],
    )
    return tuple(row[0] for row in rows)


def tables_of(move: Move, source: Connection, target: Connection) -> tuple[Table, ...]:
    """The move's tables as the source has them. Raises Unmovable when the target's differ."""
    ours = read_tables(source, move.source, move.tables)
    theirs = read_tables(target, move.target, move.tables)
    if wrong := differences(ours, theirs):
        raise Unmovable(wrong)
    return ours


def _read_all(
    connection: Connection, schema: str, names: Iterable[str]
) -> list[tuple[str, Table | str]]:
    return [
        (name, _read(connection, schema, number, name))
        for number, name in enumerate(sorted(names), start=1)
    ]


def _read(connection: Connection, schema: str, number: int, name: str) -> Table | str:
    """The table, or why it cannot be moved."""
    row = connection.execute(
        "SELECT to_regclass(%s)::oid", [sql.Identifier(schema, name).as_string(connection)]
    ).fetchone()
    if row is None or row[0] is None:
        return "is not there"
    oid = row[0]
    try:
        columns = tuple(
            _column(connection, *found) for found in connection.execute(_COLUMNS, [oid])
        )
    except ValueError as error:
        return f"has a column {error}"
    by_name = {column.name: column for column in columns}
    keys = connection.execute(_KEY, [oid]).fetchall()
    key = tuple(by_name[one] for one, _immediate in keys)
    if not key or not all(immediate for _one, immediate in keys):
        return "has no primary key, or one that is deferrable"
    strange = [column for column in key if not _is_plain_key(column)]
    if strange:
        return f"has a key of type {strange[0].type}, whose text depends on the session"
    if any(column.as_hashed == hashing.BY_BYTES for column in key):
        return "has a key whose collation takes different texts as equal"
    others = connection.execute(_UNIQUE, [oid]).fetchone()
    parts = tuple(one[0] for one in connection.execute(_PARTITIONS, [oid]))
    return Table(number, schema, name, columns, key, bool(others and others[0]), parts)


def _column(
    connection: Connection, name: str, kind: str, is_generated: bool, is_always: bool, *how: Any
) -> Column:
    try:
        as_hashed = hashing.pattern(connection, hashing.Asked(kind, *how))
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error
    return Column(name, kind, is_generated, is_always, as_hashed)


def _is_plain_key(column: Column) -> bool:
    return column.type in _KEYS or column.type.startswith("character varying")
