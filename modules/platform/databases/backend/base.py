"""PostgreSQL as Django has it, for servers that restart, fail over or stay away.

A server that restarts ends every session. Those that lie in a pool are broken without anybody's
knowing, and each would fail the request that gets it. Asking ``SELECT 1`` first, as
``CONN_HEALTH_CHECKS`` does, costs every request a round trip for each of its aliases; a look at the
socket costs 2 us: nothing was asked of an idle session, so what can be read there is its end.

And while a server stays away, whoever asks for a session waits as long as the pool has patience. A
process has few threads, and soon all of them would wait, with probes and whatever needs no database
behind them. So one waits, and the others are told at once. The same holds for a single alias that
the server does not let in; the others' sessions are none of its business.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool, PoolTimeout

from modules.platform.databases.away import is_away
from modules.platform.databases.backend.reasons import reason, who
from modules.platform.resilience import BreakerPolicy, CircuitBreaker, CircuitOpen

# Of this process. Servers by host, port and database, not by alias: they are all away together.
_servers: dict[tuple[object, ...], CircuitBreaker] = {}
# And those that are not let in, by all that their sessions have in common.
_logins: dict[tuple[object, ...], CircuitBreaker] = {}


class NotLetIn(psycopg.OperationalError):
    """By a server that is there, and does not know the password or the database."""


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
            with self._login(pool, conn_params).call(), self._server(pool).call():
                return self._standing(pool, conn_params)
        except CircuitOpen as error:
            raise psycopg.OperationalError(_explained(error, conn_params)) from error

    def _standing(self, pool: ConnectionPool, conn_params: dict[str, Any]) -> psycopg.Connection:
        """Of a pool in which all have ended each is looked at once; the pool replaces them."""
        session = self._pooled(conn_params)
        for _ in range(pool.max_size):
            if not is_ended(session):
                break
            session.close()
            pool.putconn(session)
            session = self._pooled(conn_params)
        return session

    def _pooled(self, conn_params: dict[str, Any]) -> psycopg.Connection:
        try:
            session: psycopg.Connection = super().get_new_connection(conn_params)
        except PoolTimeout as error:
            why = reason(conn_params)
            kind = NotLetIn if why and why.is_there else psycopg.OperationalError
            raise kind(_explained(error, conn_params)) from error
        return session

    def _server(self, pool: ConnectionPool) -> CircuitBreaker:
        settings = self.settings_dict
        server = settings["HOST"], settings["PORT"], settings["NAME"]
        return _servers.get(server) or _servers.setdefault(
            server,
            # One that waits in vain may have found all sessions of its alias taken.
            _breaker(settings["NAME"], pool, minimum=2, is_failure=_says_it_is_away),
        )

    def _login(self, pool: ConnectionPool, conn_params: dict[str, Any]) -> CircuitBreaker:
        login = who(conn_params)
        return _logins.get(login) or _logins.setdefault(
            login,
            _breaker(self.settings_dict["NAME"], pool, minimum=1, is_failure=_is_not_let_in),
        )


def _breaker(
    database: str,
    pool: ConnectionPool,
    *,
    minimum: int,
    is_failure: Callable[[BaseException], bool],
) -> CircuitBreaker:
    """It rests for as long as who asks next may have to wait: one does at a time."""
    policy = BreakerPolicy(window=2.0, minimum=minimum, ratio=1.0, rest=pool.timeout, probes=1)
    return CircuitBreaker(f"the database {database}", policy, is_failure=is_failure)


def _says_it_is_away(error: BaseException) -> bool:
    return is_away(error) and not isinstance(error, NotLetIn)


def _is_not_let_in(error: BaseException) -> bool:
    return isinstance(error, NotLetIn)


def _explained(error: Exception, conn_params: dict[str, Any]) -> str:
    why = reason(conn_params)
    return f"{error}: {why.text}" if why else str(error)


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
