"""The controller of a swap: its sessions, its lock, and calls of the server functions.

The lock is held by both sessions as long as the controller lives. When it dies, PostgreSQL lets
go of it, and every writer that meets the fence sees that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from math import inf
from typing import Any

import psycopg
from psycopg import sql

from modules.extraction.protocol.errors import Controlled, FenceRefused, NotInstalled, TimeIsUp
from modules.extraction.protocol.guarding import locks
from modules.extraction.protocol.sides import Connection, Move, Side, as_login, connect

TTL = timedelta(seconds=1)  # 30 times the longest pause seen; a stopped controller costs this much
FENCE_ATTEMPTS = 20
_CONTROL = "control"
_END_HOLDERS = """
SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.xact_start < %s AND a.pid <> pg_backend_pid()
  AND a.application_name NOT LIKE 'ficus %%'  -- streams: they let go by themselves
  AND EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
              WHERE l.pid = a.pid AND c.relnamespace = %s::regnamespace
                AND l.granted AND l.mode = 'RowShareLock' AND c.relkind IN ('r', 'p'))
"""


class Controller:
    """Two direct sessions that hold the move. Raises Controlled, NotInstalled, OperationalError."""

    def __init__(self, move: Move) -> None:
        self.move = move
        self.source = connect(move.source, purpose=_CONTROL)
        try:
            self.target = connect(move.target, purpose=_CONTROL)
            self._hold()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Controller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End both sessions, and so let go of the lock."""
        self.source.close()
        if hasattr(self, "target"):
            self.target.close()

    def reconnect_target(self) -> Connection:
        """Another session there, after the first was lost."""
        self.target = connect(self.move.target, purpose=_CONTROL)
        return self.target

    def call(self, side: Side, function: str, *arguments: Any) -> tuple[Any, ...]:
        """One autocommitted server function; its row."""
        return call(self.source if side.is_source else self.target, side, function, *arguments)

    def fence(
        self, side: Side, ttl: timedelta, attempts: int, *, by: float = inf
    ) -> tuple[int, int]:
        """Shut the writers out: the fence's epoch and marker. No attempt begins after the
        monotonic time ``by``. Raises FenceRefused, TimeIsUp.
        """
        for attempt in range(attempts):
            if time.monotonic() >= by:
                reached = f"its writers did not let the fence in, {attempt} times"
                raise TimeIsUp(self.move.module, reached)
            try:
                epoch, marker = self.call(side, "fence", ttl)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                # The writers that queued meanwhile go first.
                pause = min(0.5, 0.02 * 2**attempt)
                time.sleep(max(0.0, min(pause, by - time.monotonic())))
                continue
            if epoch is None:
                raise FenceRefused(self.move.module, attempt)
            return epoch, marker
        raise FenceRefused(self.move.module, attempts)

    def end_lock_holders(self, side: Side, since: datetime) -> int:
        """End sessions that hold only row locks in ``side`` since before the swap.

        They have not passed the guard, so the fence did not wait for them; and they would block
        the stream that now ends here. What they locked has moved.
        """
        connection = self.source if side.is_source else self.target
        schema = sql.Identifier(side.schema).as_string(connection)
        with as_login(connection):
            try:
                return connection.execute(_END_HOLDERS, [since, schema]).rowcount
            except psycopg.errors.InsufficientPrivilege:
                return 0  # a superuser's session: it is seen in the stream's lag

    def _hold(self) -> None:
        for side, connection in zip(self.move.sides, (self.source, self.target), strict=True):
            found = connection.execute("SELECT to_regnamespace(%s)", [f'"{side.room}"']).fetchone()
            if not found or found[0] is None:
                raise NotInstalled(self.move.module, side.name)
            hold(connection, side)


def call(connection: Connection, side: Side, function: str, *arguments: Any) -> tuple[Any, ...]:
    """One autocommitted server function of the protocol; its row."""
    statement = sql.SQL("SELECT * FROM {}({})").format(
        sql.Identifier(side.room, function),
        sql.SQL(", ").join([sql.Placeholder()] * len(arguments)),
    )
    found = connection.execute(statement, arguments).fetchone()
    return found or (None,)


def is_held(connection: Connection, side: Side) -> bool:
    """Whether a controller lives, as ``side``'s database knows it."""
    _writers, controller = locks(side)
    # One statement, and so one transaction: whoever is stopped behind it holds nothing.
    found = connection.execute(
        sql.SQL("SELECT pg_try_advisory_xact_lock_shared({})").format(controller)
    ).fetchone()
    return not (found and found[0])


@contextmanager
def held(connection: Connection, side: Side) -> Iterator[None]:
    """The controller's lock of ``side`` for a while. Raises Controlled."""
    hold(connection, side)
    try:
        yield
    finally:
        _writers, controller = locks(side)
        with suppress(psycopg.Error):  # it goes with its session, too
            connection.execute(sql.SQL("SELECT pg_advisory_unlock({})").format(controller))


def hold(connection: Connection, side: Side) -> None:
    """Have the controller's lock of ``side`` until the session ends. Raises Controlled."""
    # Writers that met a dead controller's fence have the lock shared until their transactions end.
    _writers, controller = locks(side)
    statement = sql.SQL("SELECT pg_try_advisory_lock({})").format(controller)
    for _attempt in range(10):
        found = connection.execute(statement).fetchone()
        if found and found[0]:
            return
        time.sleep(0.02)
    raise Controlled(side.schema, side.name)
