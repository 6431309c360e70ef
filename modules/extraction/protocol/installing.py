"""Puts the protocol into both databases: capture, guards, streams, and one life for both sides.

Source: docs/extraction-protocol.md, *Installation*. Whatever was there before and is not whole is
begun anew, with an empty target: between an installation and the next one writes pass uncaptured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from modules.extraction.protocol import capturing, dry, guarding, schema, swapping
from modules.extraction.protocol.comparing import check_comparable
from modules.extraction.protocol.controlling import held
from modules.extraction.protocol.crashpoints import crash_point
from modules.extraction.protocol.errors import Unmovable
from modules.extraction.protocol.sides import Connection, Direction, Move, Side, connect, row
from modules.extraction.protocol.tables import Table, tables_of
from modules.extraction.protocol.wholeness import (
    check_stays,
    check_whole,
    is_installed,
    is_whole,
    part,
)

# CREATE TRIGGER waits for the table's writers, and new ones queue behind it: so it gives up soon
# and tries again, and none of them waits longer than this.
PATIENCE = "100ms"
ATTEMPTS = 100

_POSITION = "SELECT '0@' || pg_current_snapshot()"
# All that an earlier installation has come to is nothing any more.
_BEGIN = """
INSERT INTO {room}.stream (name, position) VALUES ({name}, {position})
    ON CONFLICT (name) DO UPDATE SET position = excluded.position, applied = 0, marker = NULL,
        marker_equal = NULL, changed_at = clock_timestamp();
UPDATE {room}.sums SET claimed_n = 0, claimed_1 = 0, claimed_2 = 0,
    actual_n = 0, actual_1 = 0, actual_2 = 0;
UPDATE {room}.backfill SET state = 'waiting', cursor = NULL, rows = 0, total = NULL;
DELETE FROM {room}.scrub;
UPDATE {room}.ownership SET life = {life}, epoch = greatest(epoch, {epoch});
"""
# An epoch that was heard of once must never be another's.
_LIFT = """
UPDATE {room}.ownership SET epoch = {epoch}
WHERE owner = 'monolith' AND mode = 'open' AND epoch < {epoch}
"""
_PINS = """
CREATE OR REPLACE VIEW {room}.{pin} AS SELECT true AS pinned FROM {table};
"""


def install(move: Move, *, epoch: int = 0) -> None:
    """Capture, guards and streams in both databases, and an empty target. Where they are whole,
    what was made since is covered, and nothing else is touched.

    ``epoch`` is the highest that anybody may know of this module: the next one is above it.
    Raises Unmovable for tables that cannot be captured, differ between the sides or are hashed
    differently by their servers, StillMoved where the service has the module, Controlled, and
    ``psycopg.errors.LockNotAvailable`` when writers never let a trigger be made.
    """
    with both(move, "install") as (source, target):
        tables = tables_of(move, source, target)
        if is_whole(move, source, target):
            _cover(move, source, target, tables)
            _lift(move, source, target, epoch)
            return
        check_comparable(move, source, target, tables)
        epoch = max(epoch, part(move, source, target))
        crash_point("install.parted")
        for side, connection in zip(move.sides, (source, target), strict=True):
            _build(connection, side, tables)
            crash_point(f"install.{side.name}")
        _begin(move, source, target, epoch)


def cover(move: Move) -> None:
    """Guards and pins for partitions that were made since.

    Raises NotInstalled, CaptureAway, Unmovable, and ``psycopg.errors.LockNotAvailable``.
    """
    with (
        connect(move.source, purpose="install") as source,
        connect(move.target, purpose="install") as target,
    ):
        check_whole(move, source, target)
        _cover(move, source, target, tables_of(move, source, target))


@contextmanager
def both(move: Move, purpose: str) -> Iterator[tuple[Connection, Connection]]:
    """Sessions in source and target, alone with the move. Raises Controlled."""
    with ExitStack() as stack:
        source, target = (
            stack.enter_context(connect(side, purpose=purpose)) for side in move.sides
        )
        for side, connection in zip(move.sides, (source, target), strict=True):
            stack.enter_context(held(connection, side))
        yield source, target


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
        crash_point("install.attached")


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
    for one in table.partitions:
        connection.execute(guarding.triggers(side, one))
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


def _cover(move: Move, source: Connection, target: Connection, tables: tuple[Table, ...]) -> None:
    def work(connection: Connection, side: Side, table: Table) -> None:
        check_stays(connection, side)
        _attach(connection, side, table)

    for side, connection in zip(move.sides, (source, target), strict=True):
        for table in tables:
            patiently(connection, partial(work, connection, side, table))


def _lift(move: Move, source: Connection, target: Connection, epoch: int) -> None:
    for side, connection in zip(move.sides, (source, target), strict=True):
        room = sql.Identifier(side.room)
        connection.execute(sql.SQL(_LIFT).format(room=room, epoch=sql.Literal(epoch)))


def _begin(move: Move, source: Connection, target: Connection, epoch: int) -> None:
    """One life for both. It is whole with the commit in the target, and that one empties it."""
    life = uuid4()
    # Only now: a position must not be older than the triggers that fill the log behind it.
    forward, reverse = (row(one, _POSITION)[0] for one in (source, target))
    with source.transaction():
        source.execute(_beginning(Direction.REVERSE, move.source, reverse, life, epoch))
    crash_point("install.opened")
    with connect(move.target, purpose="install", applies=True) as applier:
        tables = [sql.Identifier(move.target.schema, name) for name in move.tables]

        def work() -> None:
            # First the position, as an applier does: whoever read before finds another one.
            applier.execute(_beginning(Direction.FORWARD, move.target, forward, life, epoch))
            applier.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))

        patiently(applier, work)
    crash_point("install.begun")


def _beginning(
    direction: Direction, end: Side, position: str, life: UUID, epoch: int
) -> sql.Composed:
    return sql.SQL(_BEGIN).format(
        room=sql.Identifier(end.room),
        name=sql.Literal(direction.value),
        position=sql.Literal(position),
        life=sql.Literal(life),
        epoch=sql.Literal(epoch),
    )
