"""The table read from the database over a connection of the watcher's own, which is also an ear.

LISTEN needs a session that stays, so this one is not of Django's pools. Behind a PgBouncer that
pools transactions the words do not arrive, and the table is read every interval all the same.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

from modules.platform.databases.listening import wait_for_word
from modules.platform.placement import table
from modules.platform.placement.placed import Placements

PATIENCE = 2  # seconds for connecting, and for a server that says nothing any more
# Django's own, which libpq does not know.
DJANGOS = (
    "cursor_factory",
    "context",
    "pool",
    "prepare_threshold",
    "server_side_binding",
    "isolation_level",
    "assume_role",
)


class TableSource:
    """``read()`` the table, ``wait()`` for the next time. For one thread; raises psycopg's errors.

    After an error ``close()`` it: the next ``read`` connects anew.
    """

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._parents: list[psycopg.Connection[Any]] = []

    def read(self) -> Placements:
        """All rows, as they are committed now."""
        if self._connection is None:
            self._connection = _connected()
        return table.read(self._connection.execute(table.ALL, prepare=True).fetchall())

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, or as soon as somebody has changed the table."""
        if self._connection is not None:
            wait_for_word(self._connection, seconds)

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def after_fork(self) -> None:
        """The parent's session is the parent's: not even closed, which would tell its server."""
        if self._connection is not None:
            self._parents.append(self._connection)
            self._connection = None


def _connected() -> psycopg.Connection[Any]:
    parameters = dict(connections[DEFAULT_DB_ALIAS].get_connection_params())
    for name in DJANGOS:
        parameters.pop(name, None)
    limits = {"connect_timeout": PATIENCE, "tcp_user_timeout": PATIENCE * 1000}
    connection = psycopg.connect(**{**parameters, **limits}, autocommit=True)
    try:
        connection.execute(f"LISTEN {table.CHANNEL}")
    except psycopg.Error:
        connection.close()
        raise
    return connection
