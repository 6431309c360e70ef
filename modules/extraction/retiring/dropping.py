"""Takes the monolith's copy away: tables, functions, guards and streams, in one transaction.

Nothing is dropped with CASCADE but what the extraction itself has made: if anything outside the
module hangs on its tables, PostgreSQL says so, and nothing has happened.
"""

from __future__ import annotations

from psycopg import sql

from modules.extraction.protocol.errors import StillMoved
from modules.extraction.protocol.installing import patiently
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.sides import SERVICE, Connection, Side
from modules.extraction.retiring import tombstones

_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY 1
"""
_SEQUENCES = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind = 'S' ORDER BY 1
"""
_ROUTINES = """
SELECT p.oid::regprocedure::text FROM pg_proc p
WHERE p.pronamespace = to_regnamespace(%s) ORDER BY 1
"""


def drop(connection: Connection, side: Side, *, epoch: int, archive: str, sha256: str) -> int:
    """Leave the empty schema with its tombstone; how many tables went.

    ``connection`` works as the owner of the schema. Raises StillMoved unless the service has the
    module, open, and psycopg's errors; nothing has happened then.
    """
    dropped: list[str] = []

    def work() -> None:
        has = read_ownership(connection, side)
        if has.owner != SERVICE or has.mode != "open":
            raise StillMoved(side.schema, f"{has.mode} for the {has.owner}")
        dropped[:] = _all(connection, side)
        tombstones.put(connection, side, epoch=epoch, archive=archive, sha256=sha256)

    patiently(connection, work)
    return len(dropped)


def _all(connection: Connection, side: Side) -> list[str]:
    # The extraction's own room takes its triggers and pins with it, and nothing else.
    _run(connection, "DROP SCHEMA {} CASCADE", sql.Identifier(side.room))
    tables = _names(connection, _TABLES, side.schema)
    named = sql.SQL(", ").join(sql.Identifier(side.schema, name) for name in tables)
    _run(connection, "DROP TABLE {}", named)
    for name in _names(connection, _SEQUENCES, side.schema):
        _run(connection, "DROP SEQUENCE {}", sql.Identifier(side.schema, name))
    for signature in _names(connection, _ROUTINES, side.schema):
        connection.execute(f"DROP ROUTINE {signature}".encode())
    return tables


def _names(connection: Connection, query: str, schema: str) -> list[str]:
    name = sql.Identifier(schema).as_string(connection)
    return [row[0] for row in connection.execute(query.encode(), [name]).fetchall()]


def _run(connection: Connection, statement: str, what: sql.Composable) -> None:
    connection.execute(sql.SQL(statement).format(what))
