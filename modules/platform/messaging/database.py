"""Small SQL on a module's own database; every statement of the bus goes through here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connections

from modules.platform.databases import alias_of

Parameters = Sequence[Any] | Mapping[str, Any] | None


def rows(module: str, sql: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
    """The statement's rows."""
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def row(module: str, sql: str, parameters: Parameters = None) -> tuple[Any, ...] | None:
    """The statement's first row, if any."""
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(sql, parameters)
        found: tuple[Any, ...] | None = cursor.fetchone()
        return found


def execute(module: str, sql: str, parameters: Parameters = None) -> int:
    """Run the statement; the number of rows it changed."""
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def prepared(module: str, sql: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
    """The statement's rows, its plan kept by the server: for what runs hundreds of times a second.

    Django's own cursor fills the values in itself and so has every statement planned anew.
    """
    connection = connections[alias_of(module)]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(sql, parameters, prepare=True).fetchall()


# What a crash of the server may take back, because it is only ever done again (a batch
# sent twice is skipped), need not wait for the disk. It holds for the transaction it stands in.
RELAXED = "set_config('synchronous_commit', 'off', true) IS NOT NULL"
