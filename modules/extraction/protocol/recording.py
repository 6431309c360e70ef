"""What single commands change, row by row as it was and as it is; and the state before them.

A session that sets ``ficus.recording`` to an id has its changes kept under that id, in the
transactions that make them: in ``recorded``, beside the change log, which has no old rows. It is
how a command is compared with its repetition in the other database. There ``undo`` puts rows back
as they were first, in a dry transaction and in no other. Nothing of this stands while nobody asks
for it, and no part of the protocol depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import sql

from modules.extraction.protocol.installing import both, patiently
from modules.extraction.protocol.schema import HALF
from modules.extraction.protocol.sides import Connection, Move, Side, as_login, row
from modules.extraction.protocol.tables import Table, tables_of
from modules.extraction.protocol.wholeness import check_whole

_TABLE = """
-- A crash may take it: who misses a recording compares one command less.
CREATE UNLOGGED TABLE IF NOT EXISTS {room}.recorded (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command uuid        NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    tab     smallint    NOT NULL,
    key     text        NOT NULL,
    before  text,                       -- NULL: it was not there
    after   text                        -- NULL: it is gone
);
CREATE INDEX IF NOT EXISTS recorded_command ON {room}.recorded (command);
"""
_FUNCTION = """
CREATE OR REPLACE FUNCTION {room}.{record}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    this uuid := current_setting('ficus.recording')::uuid;
    before text; after text;
BEGIN
    IF TG_OP <> 'INSERT' THEN before := {room}.{canonical}(OLD); END IF;
    IF TG_OP <> 'DELETE' THEN after := {room}.{canonical}(NEW); END IF;
    -- A row whose key changes leaves one place and comes to another.
    IF TG_OP = 'UPDATE' AND ROW({old_keys}) IS DISTINCT FROM ROW({new_keys}) THEN
        INSERT INTO {room}.recorded (command, tab, key, before, after)
        VALUES (this, {number}, {old_key}, before, NULL), (this, {number}, {new_key}, NULL, after);
    ELSE
        INSERT INTO {room}.recorded (command, tab, key, before, after)
        VALUES (this, {number}, CASE WHEN TG_OP = 'DELETE' THEN {old_key} ELSE {new_key} END,
                before, after);
    END IF;
    RETURN NULL;
END $$;
"""
# NULLs: there is no room for more. What the log says of what came since is all of it while the
# module has not moved, and the log has not gone on to its other half.
_BEGIN = """
CREATE OR REPLACE FUNCTION {room}.begin_recording(of_command uuid, most bigint,
    OUT snapshot text, OUT epoch bigint, OUT turn bigint) LANGUAGE plpgsql AS $$
BEGIN
    IF pg_relation_size({recorded}) < most THEN
        PERFORM set_config('ficus.recording', of_command::text, false);
        snapshot := pg_current_snapshot();
        SELECT o.epoch, l.last_value >> {half} INTO epoch, turn
          FROM {room}.ownership o, {room}.log_id l;
    END IF;
END $$;
"""
# Its mark: what began before this was visible is not in here. A crash takes the mark as well.
_MARK = """
INSERT INTO {room}.recorded (command, tab, key)
SELECT '00000000-0000-0000-0000-000000000000', 0, pg_current_xact_id()::text
WHERE NOT EXISTS (SELECT FROM {room}.recorded WHERE tab = 0)
"""
_COVERS = """
SELECT o.epoch = %(epoch)s AND l.last_value >> {half} = %(turn)s AND EXISTS (
    SELECT FROM {room}.recorded
    WHERE tab = 0 AND pg_visible_in_snapshot(key::xid8, %(snapshot)s::pg_snapshot))
FROM {room}.ownership o, {room}.log_id l
"""
# WHEN: it is asked for each row of everybody's while it stands, and that is all that they pay.
# Not ALWAYS: what the applier and ``undo`` write is no command's.
_TRIGGER = """
CREATE OR REPLACE TRIGGER ficus_record AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW
    WHEN (current_setting('ficus.recording', true) <> '') EXECUTE FUNCTION {room}.{record}();
"""
_READ = """
CREATE OR REPLACE FUNCTION {room}.recording(of_command uuid) RETURNS json LANGUAGE sql STABLE
SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' SET IntervalStyle = 'postgres'
AS $$
    SELECT coalesce(json_agg(json_build_object('tab', tab, 'table', name, 'key', key,
        'before', before, 'after', after, 'row', of_row) ORDER BY id), '[]')
    FROM ({pieces}) piece
$$;
"""
_PIECE = """
SELECT id, tab, {name}::text AS name, key, before, after, to_jsonb(after::{table}) AS of_row
FROM {room}.recorded WHERE command = of_command AND tab = {number}
"""
# As the login, which may keep the module's own triggers quiet: some forbid what is put back here.
_UNDO = """
CREATE OR REPLACE FUNCTION {room}.undo(changes json, known json) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET session_replication_role = replica
SET DateStyle = 'ISO, YMD' SET IntervalStyle = 'postgres'
AS $$
#variable_conflict use_column
DECLARE
    name text; at bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM {room}.dry WHERE xid = pg_current_xact_id()) THEN
        RAISE EXCEPTION 'nothing is undone but in a dry transaction' USING ERRCODE = '42501';
    END IF;
    IF (SELECT owner FROM {room}.ownership) = {me} THEN
        RAISE EXCEPTION 'nothing is undone where the module is' USING ERRCODE = '42501';
    END IF;
    -- Sequences follow at the next fence only. This is never rolled back: so it only goes forward.
    FOR name, at IN SELECT key, value::bigint FROM json_each_text(known) LOOP
        EXECUTE format('SELECT setval(%L, greatest(%s, last_value)) FROM %I.%I',
                       format('%I.%I', {schema}, name), at, {schema}, name);
    END LOOP;
    PERFORM set_config('ficus.applier', {schema}, true);
    {pieces}
    PERFORM set_config('ficus.applier', '', true);
END $$;
REVOKE ALL ON FUNCTION {room}.undo(json, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {room}.undo(json, json) TO {owner};
"""
# OFFSET 0 keeps the subquery a subquery: pulled up, the image would be cast once per column.
_UNDO_PIECE = """
    DELETE FROM {table} t USING (
        SELECT (one.row).* FROM (
            SELECT coalesce(x ->> 'after', x ->> 'before')::{table} AS row
            FROM json_array_elements(changes) x
            WHERE (x ->> 'tab')::integer = {number} OFFSET 0) one
    ) g WHERE {same};
    INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
    SELECT {columns} FROM (
        SELECT (one.row).* FROM (
            SELECT (x ->> 'before')::{table} AS row FROM json_array_elements(changes) x
            WHERE (x ->> 'tab')::integer = {number} AND x ->> 'before' IS NOT NULL OFFSET 0) one
    ) g;
"""
_SINCE = """
SELECT tab, key, CASE first WHEN 'D' THEN image END, CASE first WHEN 'I' THEN image END
FROM (
    SELECT DISTINCT ON (tab, key) tab, key, op::text AS first, image
    FROM {room}.unseen(%(base)s::pg_snapshot) WHERE op <> 'M' ORDER BY tab, key, id
) one WHERE first <> 'U' LIMIT %(limit)s
"""
_IS_ARMED = "SELECT to_regclass(%s) IS NOT NULL"
_ATTACHED = """
SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = {schema}::regnamespace AND t.tgname = 'ficus_record'
  AND NOT c.relispartition ORDER BY 1
"""
_DROP = """
DROP TABLE IF EXISTS {room}.recorded;
DROP FUNCTION IF EXISTS {room}.recording(uuid);
DROP FUNCTION IF EXISTS {room}.begin_recording(uuid, bigint);
DROP FUNCTION IF EXISTS {room}.undo(json, json);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One change of one row: images as text, and ``row`` as it is then, in JSON's types."""

    tab: int
    table: str
    key: str
    before: str | None
    after: str | None
    row: dict[str, Any] | None


class Since(NamedTuple):
    """A moment in a database: a snapshot, the epoch of the module's authority, the log's turn."""

    snapshot: str
    epoch: int
    turn: int


class Changed(NamedTuple):
    """A row, and its image before or after: who was made has none before."""

    tab: int
    key: str
    before: str | None
    after: str | None


def arm(move: Move) -> None:
    """Have both sides record who asks for it; again brings what is missing.

    Raises Controlled, NotInstalled, CaptureAway, Unmovable, psycopg's errors, and
    ``psycopg.errors.LockNotAvailable`` when writers never let a trigger be made.
    """
    with both(move, "record") as (source, target):
        check_whole(move, source, target)
        tables = tables_of(move, source, target)
        for side, connection in zip(move.sides, (source, target), strict=True):
            _arm(connection, side, tables)


def disarm(move: Move) -> None:
    """Nothing of it is left on either side. Raises as ``arm`` does, but for what is not whole."""
    with both(move, "record") as connections:
        for side, connection in zip(move.sides, connections, strict=True):
            take_off(connection, side)


def take_off(connection: Connection, side: Side) -> None:
    """Nothing of it is left on one side."""
    statement = sql.SQL(_ATTACHED).format(schema=_schema(connection, side))
    for (name,) in connection.execute(statement).fetchall():
        drop = sql.SQL("DROP TRIGGER IF EXISTS ficus_record ON {}").format(
            sql.Identifier(side.schema, name)
        )
        patiently(connection, lambda at=drop: connection.execute(at))  # type: ignore[misc]
    functions = connection.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc p "
        "WHERE p.pronamespace = to_regnamespace(%s) AND p.proname ~ '^record_[0-9]+$'",
        [sql.Identifier(side.room).as_string(connection)],
    ).fetchall()
    for (name,) in functions:
        connection.execute(f"DROP FUNCTION {name}".encode())
    if functions:
        with as_login(connection):
            connection.execute(sql.SQL(_DROP).format(room=sql.Identifier(side.room)))


def covers(connection: Connection, side: Side, since: Since) -> bool:
    """Whether ``side`` knows all that has happened there since."""
    if not row(connection, _IS_ARMED, [_name(connection, side, "recorded")])[0]:
        return False
    statement = sql.SQL(_COVERS).format(room=sql.Identifier(side.room), half=sql.Literal(HALF))
    return bool(row(connection, statement, since._asdict())[0])


def recording(connection: Connection, side: Side, command: UUID) -> list[Recorded]:
    """What a command has changed, in its order; nothing of one that nobody has recorded."""
    statement = sql.SQL("SELECT {}.recording(%s)::text").format(sql.Identifier(side.room))
    return [Recorded(**one) for one in json.loads(row(connection, statement, [command])[0])]


def changed_since(connection: Connection, side: Side, since: Since, *, limit: int) -> list[Changed]:
    """The rows that somebody made or took away since, as the log has them; at most ``limit``.

    Not those that were only changed: the log does not know what they were.
    """
    statement = sql.SQL(_SINCE).format(room=sql.Identifier(side.room))
    rows = connection.execute(statement, {"base": since.snapshot, "limit": limit}).fetchall()
    return [Changed(*found) for found in rows]


def sequences(connection: Connection, side: Side) -> dict[str, int]:
    """Where they stand, by name; those that have drawn something."""
    statement = sql.SQL("SELECT {}.sequences()").format(sql.Identifier(side.room))
    return dict(row(connection, statement)[0])


def forget(connection: Connection, side: Side, commands: Sequence[UUID], older: timedelta) -> None:
    """These recordings go, and all that are so old."""
    statement = sql.SQL(
        "DELETE FROM {}.recorded "
        "WHERE command = ANY (%s) OR at < clock_timestamp() - %s AND tab > 0"
    ).format(sql.Identifier(side.room))
    connection.execute(statement, [list(commands), older])


def _arm(connection: Connection, side: Side, tables: tuple[Table, ...]) -> None:
    room = sql.Identifier(side.room)
    with connection.transaction():
        connection.execute(sql.SQL(_TABLE).format(room=room))
        for table in tables:
            connection.execute(_of(_FUNCTION, side, table))
        connection.execute(_of_all(_READ, _PIECE, " UNION ALL ", side, tables))
        recorded = sql.Literal(_name(connection, side, "recorded"))
        half = sql.Literal(HALF)
        connection.execute(sql.SQL(_BEGIN).format(room=room, recorded=recorded, half=half))
    for table in tables:
        trigger = _of(_TRIGGER, side, table)
        patiently(connection, lambda at=trigger: connection.execute(at))  # type: ignore[misc]
    owner = connection.execute("SELECT current_user").fetchall()[0][0]
    undo = _of_all(_UNDO, _UNDO_PIECE, "", side, tables, owner=sql.Identifier(owner))
    with as_login(connection), connection.transaction():
        connection.execute(undo)
    connection.execute(sql.SQL(_MARK).format(room=room))  # last: from now on it has everything


def _of_all(
    text: str,
    piece: str,
    between: str,
    side: Side,
    tables: tuple[Table, ...],
    **more: sql.Composable,
) -> sql.Composed:
    pieces = sql.SQL(between).join(_of(piece, side, table) for table in tables)
    return sql.SQL(text).format(
        room=sql.Identifier(side.room),
        schema=sql.Literal(side.schema),
        me=sql.Literal(side.name),
        pieces=pieces,
        **more,
    )


def _of(text: str, side: Side, table: Table) -> sql.Composed:
    here = table.within(side.schema)
    return sql.SQL(text).format(
        room=sql.Identifier(side.room),
        table=here.qualified,
        name=sql.Literal(table.name),
        number=sql.Literal(table.number),
        record=sql.Identifier(f"record_{table.number}"),
        canonical=sql.Identifier(f"canonical_{table.number}"),
        old_key=here.key_text("OLD"),
        new_key=here.key_text("NEW"),
        old_keys=here.names(here.key, "OLD"),
        new_keys=here.names(here.key, "NEW"),
        columns=here.names(here.written),
        same=here.same_key("t", "g"),
    )


def _name(connection: Connection, side: Side, of: str) -> str:
    return sql.Identifier(side.room, of).as_string(connection)


def _schema(connection: Connection, side: Side) -> sql.Literal:
    return sql.Literal(sql.Identifier(side.schema).as_string(connection))
