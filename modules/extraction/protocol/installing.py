"""Puts the protocol into both databases, and takes it out without a trace."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import psycopg
from psycopg import sql

from modules.extraction.protocol import capturing, dry, guarding, schema, swapping
from modules.extraction.protocol.errors import StillMoved, Unmovable
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.sides import (
    SERVICE,
    Connection,
    Direction,
    Move,
    Side,
    connect,
    row,
)
from modules.extraction.protocol.tables import Table, tables_of

# CREATE TRIGGER waits for the table's writers, and new ones queue behind it: so it gives up soon
# and tries again, and none of them waits longer than this.
PATIENCE = "100ms"
ATTEMPTS = 100

_IS_THERE = "SELECT to_regclass(%s) IS NOT NULL"
_STREAM = """
INSERT INTO {room}.stream (name, position)
SELECT {name}, {position} WHERE NOT EXISTS (SELECT FROM {room}.stream WHERE name = {name})
"""
_PINS = """
CREATE OR REPLACE VIEW {room}.{pin} AS SELECT true AS pinned FROM {table};
"""


def install(move: Move) -> None:
    """Capture, guards and streams in both databases. Again: brings what is missing.

    Raises Unmovable for tables that cannot be captured or differ between the sides, and
    ``psycopg.errors.LockNotAvailable`` when writers never let a trigger be made.
    """
    with ExitStack() as stack:
        source, target = (
            stack.enter_context(connect(side, purpose="install")) for side in move.sides
        )
        tables = tables_of(move, source, target)
        for side, connection in zip(move.sides, (source, target), strict=True):
            _build(connection, side, tables)
        # Only now: a position must not be older than the triggers that fill the log behind it.
        for direction in Direction:
            origin, end = direction.ends(move)
            log, here = (source, target) if origin.is_source else (target, source)
            _open_stream(log, here, end, direction)


def uninstall(move: Move) -> None:
    """Nothing of the protocol is left on either side, whatever was there.

    Raises StillMoved while the service has the module, or somebody is swapping it.
    """
    with ExitStack() as stack:
        for side in move.sides:
            connection = stack.enter_context(connect(side, purpose="uninstall"))
            if side.is_source and is_installed(connection, side):
                has = read_ownership(connection, side)
                if has.owner == SERVICE or has.mode != "open":
                    raise StillMoved(move.module, f"{has.mode} for the {has.owner}")
            remove(connection, side)


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


def is_installed(connection: Connection, side: Side) -> bool:
    """Whether ``side`` has the protocol's tables."""
    found = connection.execute(_IS_THERE, [f'"{side.room}".pace']).fetchone()
    return bool(found and found[0])


def remove(connection: Connection, side: Side) -> None:
    """Triggers off every table that has one, then the protocol's schema."""
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
    room = sql.Identifier(side.room)
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(room))


def patiently(connection: Connection, work: Callable[[], object]) -> None:
    """Run ``work`` in a transaction that waits 100 ms for its locks, as often as it takes."""
    for attempt in range(ATTEMPTS):
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
                work()
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.05)


def _build(connection: Connection, side: Side, tables: tuple[Table, ...]) -> None:
    with connection.transaction():
        if not is_installed(connection, side):
            room = sql.Identifier(side.room)
            # The module's role may make nothing outside its schema; the login may.
            owner = sql.Identifier(connection.execute("SELECT current_user").fetchall()[0][0])
            connection.execute("SET LOCAL ROLE NONE")
            connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(room, owner))
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(owner))
            connection.execute(schema.tables(side.room))
        _know_tables(connection, side, tables)
        connection.execute(swapping.functions(side))
        connection.execute(dry.tables(side))
        connection.execute(guarding.function(side))
        for table in tables:
            connection.execute(capturing.function(side, table))
    for table in tables:
        patiently(connection, lambda at=table: _attach(connection, side, at))  # type: ignore[misc]


def _know_tables(connection: Connection, side: Side, tables: tuple[Table, ...]) -> None:
    room = sql.Identifier(side.room)
    wanted = {table.number: table.name for table in tables}
    known: dict[int, str] = dict(
        connection.execute(sql.SQL("SELECT tab, name FROM {}.backfill").format(room)).fetchall()
    )
    if known and known != wanted:
        raise Unmovable([f"{side.name}: installed for other tables; uninstall first"])
    with connection.cursor() as cursor:
        cursor.executemany(
            sql.SQL(
                "INSERT INTO {}.backfill (tab, name) VALUES (%s, %s) ON CONFLICT DO NOTHING"
            ).format(room),
            list(wanted.items()),
        )
        cursor.executemany(
            sql.SQL(
                "INSERT INTO {}.sums (stream, tab) VALUES (%s, %s) ON CONFLICT DO NOTHING"
            ).format(room),
            [(name, number) for name in schema.STREAMS for number in wanted],
        )


def _attach(connection: Connection, side: Side, table: Table) -> None:
    connection.execute(guarding.triggers(side, table.name))
    connection.execute(capturing.trigger(side, table))
    for part in table.partitions:
        connection.execute(guarding.triggers(side, part))
    # While the view stands, DROP TABLE without CASCADE is refused: a partition that maintenance
    # dropped here would not be missed there, because no trigger sees it.
    for name in (table.name, *table.partitions):
        connection.execute(
            sql.SQL(_PINS).format(
                room=sql.Identifier(side.room),
                pin=sql.Identifier(f"pin_{name}"),
                table=sql.Identifier(side.schema, name),
            )
        )


def _open_stream(log: Connection, here: Connection, end: Side, direction: Direction) -> None:
    (position,) = row(log, "SELECT '0@' || pg_current_snapshot()")
    here.execute(
        sql.SQL(_STREAM).format(
            room=sql.Identifier(end.room),
            name=sql.Literal(direction.value),
            position=sql.Literal(position),
        )
    )
