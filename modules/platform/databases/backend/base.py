"""PostgreSQL as Django has it, but a pooled session that its server has ended is not handed out.

A server that restarts or fails over ends every session. Those that lie in a pool are broken without
anybody's knowing, and each would fail the request that gets it. Asking ``SELECT 1`` first, as
``CONN_HEALTH_CHECKS`` does, costs every request a round trip for each of its aliases; a look at the
socket costs 2 us: nothing was asked of an idle session, so what can be read there is its end.
"""

from __future__ import annotations

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """The engine's connection of one alias and thread."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> psycopg.Connection:
        """One from the pool that still stands, or a new one. Raises ``psycopg.OperationalError``.

        Of a pool in which all have ended each is looked at once; the pool replaces them.
        """
        session: psycopg.Connection = super().get_new_connection(conn_params)
        for _ in range(self.pool.max_size if self.pool else 0):
            if not is_ended(session):
                break
            session.close()
            self.pool.putconn(session)
            session = super().get_new_connection(conn_params)
        return session


def is_ended(session: psycopg.Connection) -> bool:
    """Whether the server has ended the idle ``session``, as far as can be told without asking it.

    A notice that nobody asked for counts as well: that costs a session, and happens when reported
    settings of the server are changed.
    """
    if session.closed:
        return True
    look = select.poll()
    look.register(session.fileno(), select.POLLIN)
    return bool(look.poll(0))
