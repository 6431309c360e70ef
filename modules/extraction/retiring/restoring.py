"""Brings an archive back into a database that has no such schema, and compares every row's sums.

    DATABASE_URL=postgresql:///empty python -m modules.extraction.retiring.restoring ARCHIVE

PostgreSQL alone, no Django. One transaction: all of it is there, or nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg
from psycopg import sql

from modules.extraction.protocol.copying import Range, digest
from modules.extraction.protocol.sides import Connection, Side
from modules.extraction.protocol.tables import read_tables
from modules.extraction.retiring.manifest import Manifest
from modules.extraction.retiring.verifying import Unreadable, load, opened, text_of, verify


def restore(archive: Path, url: str) -> Manifest:
    """Make the schema and fill it; what was restored.

    Raises Unreadable, also when what stands there in the end has other sums than it had, and
    psycopg's errors; the database is then as it was.
    """
    found = verify(archive)
    side = Side("monolith", url, found.schema)
    with psycopg.connect(url) as connection:
        there = connection.execute("SELECT to_regnamespace(%s)", [f'"{found.schema}"']).fetchone()
        if there and there[0] is not None:
            raise Unreadable(f"the database has a schema {found.schema} already")
        with opened(archive) as tar:
            connection.execute(text_of(tar, found.before).encode())
            # Rows have passed triggers and foreign keys where they were written.
            connection.execute("SET LOCAL session_replication_role = replica")
            for one in found.tables:
                load(connection, tar, one, sql.Identifier(found.schema, one.table))
            connection.execute("SET LOCAL session_replication_role = origin")
            connection.execute(text_of(tar, found.after).encode())
        _compare(archive, found, connection, side)
    return found


def _compare(archive: Path, found: Manifest, connection: Connection, side: Side) -> None:
    summed = {one.table: one for one in found.tables if one.sums}
    for table in read_tables(connection, side, tuple(summed)):
        said = summed[table.name]
        rows, *sums = digest(connection, table, Range(None, None))
        if (rows, *(str(one) for one in sums)) != (said.rows, *said.sums):
            raise Unreadable(f"{archive.name}: {said.table} restored is not what it was")


def main(arguments: list[str]) -> int:
    """0 when it is restored, 1 when not, 2 when the question was wrong."""
    url = os.environ.get("DATABASE_URL", "")
    if len(arguments) != 1 or not url:
        sys.stderr.write("DATABASE_URL=... python -m ...restoring ARCHIVE\n")
        return 2
    try:
        found = restore(Path(arguments[0]), url)
    except (Unreadable, psycopg.Error) as error:
        sys.stderr.write(f"{str(error).strip()}\n")
        return 1
    sys.stdout.write(f"{found.schema}: {len(found.tables)} tables, {found.rows} rows restored\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
