"""What stands in the monolith's schema of a module that is retired: one table with one row.

It is the truth about it: the databases say it, whatever this host has written down. A host that
still has the module's implementation reads it where its tables are missed, and its ``migrate``
before it would make them again (``modules/platform/databases/retired.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from modules.extraction.protocol.sides import Connection, Side
from modules.platform.databases.retired import TABLE

_MAKE = """
CREATE TABLE {table} (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch      bigint NOT NULL,       -- of the service's authority, from now on for good
    archive    text NOT NULL,         -- where the rows that were here are
    sha256     text NOT NULL,
    retired_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
_WRITE = "INSERT INTO {table} (epoch, archive, sha256) VALUES (%s, %s, %s)"
_READ = "SELECT epoch, archive, sha256, retired_at FROM {table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """When the monolith's copy was dropped, and where it was archived before."""

    epoch: int
    archive: str
    sha256: str
    retired_at: datetime


def found_in(connection: Connection, side: Side) -> Tombstone | None:
    """None while the module's tables are there, or never were."""
    try:
        row = connection.execute(_named(_READ, side)).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    if row is None:
        return None
    return Tombstone(epoch=row[0], archive=row[1], sha256=row[2], retired_at=row[3])


def put(connection: Connection, side: Side, *, epoch: int, archive: str, sha256: str) -> None:
    """In the caller's transaction."""
    connection.execute(_named(_MAKE, side))
    connection.execute(_named(_WRITE, side), [epoch, archive, sha256])


def _named(text: str, side: Side) -> sql.Composed:
    return sql.SQL(text).format(table=sql.Identifier(side.schema, TABLE))
