"""Takes the protocol out of the databases without a trace.

Both sides are reached before anything is removed from either: what goes from one alone would be
put back by whoever mends, and what was written in between is in no log.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import psycopg
from psycopg import sql

from modules.extraction.protocol import guarding
from modules.extraction.protocol.controlling import held
from modules.extraction.protocol.crashpoints import crash_point
from modules.extraction.protocol.errors import StillMoved
from modules.extraction.protocol.installing import patiently
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.recording import take_off
from modules.extraction.protocol.sides import (
    SERVICE,
    Connection,
    Move,
    Side,
    connect,
    is_missing,
)
from modules.extraction.protocol.wholeness import is_installed, part, void

Remember = Callable[[int], None]


def uninstall(move: Move, *, remember: Remember = lambda _epoch: None) -> None:
    """Nothing of the protocol is left on either side, whatever was there.

    ``remember`` hears the highest epoch of the move before the databases forget it. A target that
    does not exist has nothing to remove. Raises StillMoved while the service has the module, or
    somebody is swapping it, Controlled, and ``psycopg.OperationalError`` when a side is away:
    nothing is removed then.
    """
    withdraw(move, remember=remember, also_target=True)


def withdraw(
    move: Move, *, remember: Remember = lambda _epoch: None, also_target: bool = False
) -> None:
    """The same in the source alone. The target is left shut, for whoever removes all of it: its
    service must not believe meanwhile that the copied rows are its own to work on.
    """
    with ExitStack() as stack:
        source = stack.enter_context(connect(move.source, purpose="uninstall"))
        target = _reached(move.target)
        if target is not None:
            stack.enter_context(target)
        stack.enter_context(held(source, move.source))
        if target is not None:
            stack.enter_context(held(target, move.target))
        epoch = part(move, source, target)
        crash_point("uninstall.parted")
        remember(epoch)
        remove(source, move.source)
        crash_point("uninstall.monolith")
        if target is not None and also_target:
            remove(target, move.target)
            crash_point("uninstall.service")


def release(move: Move) -> None:
    """Take the protocol out of the service's database only, when the module is retired there.

    The monolith's guards stay until its copy is dropped: they refuse whoever still comes. Raises
    StillMoved unless the service has the module, open.
    """
    with connect(move.target, purpose="release") as connection:
        if is_installed(connection, move.target):
            has = read_ownership(connection, move.target)
            if has.owner != SERVICE or has.mode != "open":
                raise StillMoved(move.module, f"{has.mode} for the {has.owner}")
        remove(connection, move.target)


def remove(connection: Connection, side: Side) -> None:
    """Triggers off every table that has one, then the protocol's schema."""
    void(connection, side)  # before the first of them: half of it must not pass for the whole
    take_off(connection, side)
    rows = connection.execute(
        "SELECT DISTINCT c.relname, c.relispartition FROM pg_trigger t "
        "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND t.tgname LIKE 'ficus\\_%%' AND NOT (c.relispartition "
        "AND t.tgname = 'ficus_capture') ORDER BY 2, 1",
        [side.schema],
    ).fetchall()
    for name, is_partition in rows:
        statement = guarding.drop_triggers(side, name, with_capture=not is_partition)
        patiently(connection, lambda at=statement: connection.execute(at))  # type: ignore[misc]
        crash_point("uninstall.removed")
    room = sql.Identifier(side.room)
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(room))


def _reached(side: Side) -> Connection | None:
    try:
        return connect(side, purpose="uninstall")
    except psycopg.OperationalError as error:
        if is_missing(error):
            return None
        raise
