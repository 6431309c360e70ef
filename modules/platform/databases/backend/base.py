"""PostgreSQL as Django has it, for servers that restart, fail over or stay away.

A server that restarts ends every session. Those that lie in a pool are broken without anybody's
knowing, and each would fail the request that gets it. Asking ``SELECT 1`` first, as
``CONN_HEALTH_CHECKS`` does, costs every request a round trip for each of its aliases; a look at the
socket costs 2 us: nothing was asked of an idle session, so what can be read there is its end.

And while a server stays away, whoever asks for a session waits as long as the pool has patience. A
process has few threads, and soon all of them would wait, with probes and whatever needs no database
behind them. So one waits, and the others are told at once.
"""

from __future__ import annotations

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool, PoolTimeout

from modules.platform.databases.away import is_away
from modules.platform.databases.backend.reasons import reason
from modules.platform.resilience import BreakerPolicy, CircuitBreaker, CircuitOpen

# Of this process, by server and database. Not by alias: they are all away together.
_breakers: dict[tuple[str, str, str], CircuitBreaker] = {}


class DatabaseWrapper(base.DatabaseWrapper):
    """The engine's connection of one alias and thread."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> psycopg.Connection:
        """A session from the pool that still stands, or a new one.

        Raises ``psycopg.OperationalError``, with the reason, when the server is away: at once,
        where others have waited in vain just now.
        """
        pool: ConnectionPool | None = self.pool
        if pool is None:
            session: psycopg.Connection = super().get_new_connection(conn_params)
            return session
        try:
            with self._breaker(pool).call():
                return self._standing(pool, conn_params)
        except (CircuitOpen, PoolTimeout) as error:
            why = reason(conn_params)
            raise psycopg.OperationalError(f"{error}: {why}" if why else str(error)) from error

    def _standing(self, pool: ConnectionPool, conn_params: dict[str, Any]) -> psycopg.Connection:
        """Of a pool in which all have ended each is looked at once; the pool replaces them."""
        session: psycopg.Connection = super().get_new_connection(conn_params)
        for _ in range(pool.max_size):
            if not is_ended(session):
                break
            session.close()
            pool.putconn(session)
            session = super().get_new_connection(conn_params)
        return session

    def _breaker(self, pool: ConnectionPool) -> CircuitBreaker:
        server = self.settings_dict["HOST"], self.settings_dict["PORT"], self.settings_dict["NAME"]
        breaker = _breakers.get(server)
        if breaker is None:
            policy = BreakerPolicy(
                # One alias that cannot log in is no server that is away: others get theirs.
                window=2.0,
                minimum=2,
                ratio=1.0,
                # As long as who asks next may have to wait: one does at a time.
                rest=pool.timeout,
                probes=1,
            )
            name = f"the database {self.settings_dict['NAME']}"
            breaker = CircuitBreaker(name, policy, is_failure=is_away)
            breaker = _breakers.setdefault(server, breaker)
        return breaker


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
