"""How a column enters the hash of its row, so that both servers come to the same hash.

What PostgreSQL brings hashes alike in all its versions on one kind of processor: clusters are
upgraded without moving a row between hash partitions. What it does not bring, and what is hashed by
numbers or sort keys of one database, enters as its text or its bytes.
"""

from __future__ import annotations

from typing import NamedTuple

import psycopg

from modules.extraction.protocol.sides import Connection, row

OWN = 16384  # the first number of what a database has made for itself
BY_TEXT, BY_BYTES = "{}::text", '{} COLLATE "C"'

# A type, and all that it is made of: domains, arrays, ranges, composite types.
_MADE_OF = """
WITH RECURSIVE made_of (oid) AS (
    SELECT %s::oid
    UNION
    SELECT part.oid FROM made_of m JOIN pg_type t ON t.oid = m.oid CROSS JOIN LATERAL (
        SELECT t.typbasetype
        UNION ALL SELECT t.typelem WHERE t.typcategory = 'A'
        UNION ALL SELECT a.atttypid FROM pg_attribute a
                  WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
    ) part (oid) WHERE part.oid <> 0
)
SELECT bool_or(t.typtype = 'e'), bool_or(t.typtype = 'c'),
       bool_or(t.typtype = 'b' AND t.typcategory <> 'A' AND t.oid >= 16384),
       bool_or(t.typname LIKE 'reg%%' AND t.oid < 16384)
FROM made_of m JOIN pg_type t ON t.oid = m.oid
"""
_KNOWN: dict[tuple[int, str], str] = {}  # built-in types, asked once per major version


class Asked(NamedTuple):
    """What the catalogue says of a column."""

    type: str
    oid: int
    is_deterministic: bool  # whether its collation takes only texts with the same bytes as equal
    is_geometric: bool
    send: str  # the function that makes the binary form


def pattern(connection: Connection, column: Asked) -> str:
    """SQL around the column's value. Raises ValueError, which says why, for types that no hash of
    two databases can compare.
    """
    if not column.is_deterministic:
        return BY_BYTES  # else by the sort key of the server's own ICU
    if column.oid >= OWN:
        return _of_own(connection, column) or _hashed(connection, column)
    known = connection.info.server_version // 10000, column.type
    if known not in _KNOWN:
        _of_own(connection, column)
        _KNOWN[known] = _hashed(connection, column)
    return _KNOWN[known]


def _of_own(connection: Connection, column: Asked) -> str | None:
    """For what a database numbers by itself, and for hashes that are not PostgreSQL's."""
    has_enum, is_composite, is_foreign, is_number = row(connection, _MADE_OF, [column.oid])
    if is_number:
        raise ValueError(f"of type {column.type}, a number that each database gives by itself")
    if has_enum and is_composite:
        raise ValueError(f"of type {column.type}, with an enum in it that is hashed by its number")
    return BY_TEXT if has_enum or (is_foreign and not is_composite) else None


def _hashed(connection: Connection, column: Asked) -> str:
    try:
        with connection.transaction():  # a failure ends no transaction of the caller's
            connection.execute(f"SELECT hash_record_extended(ROW(NULL::{column.type}), 0)")
    except psycopg.errors.UndefinedFunction:
        # json, xml: the very text that was stored. Points and the like are made of floats, and
        # their text depends on the session; their binary form does not.
        return f"{column.send}({{}})" if column.is_geometric else BY_TEXT
    return "{}"
