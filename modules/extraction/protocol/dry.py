"""Dry transactions: writes where the other side has the authority, that PostgreSQL never commits.

Whoever calls ``begin_dry()`` puts a row into ``dry``, and the guard lets this very transaction
write. The row has a deferred constraint trigger that always raises: at COMMIT, at PREPARE
TRANSACTION, and as soon as somebody sets constraints immediate. Taking the row back by a savepoint
takes back all that was written behind it; deleting it does not take the trigger's event away.
"""

from __future__ import annotations

from psycopg import sql

from modules.extraction.protocol.errors import DRY
from modules.extraction.protocol.sides import Side

_TABLES = """
CREATE TABLE IF NOT EXISTS {room}.dry (
    xid xid8 PRIMARY KEY DEFAULT pg_current_xact_id()
);
CREATE OR REPLACE FUNCTION {room}.never() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a dry transaction of the module in schema % is never committed', {schema}
        USING ERRCODE = {code}, HINT = 'Roll it back.';
END $$;
CREATE OR REPLACE FUNCTION {room}.begin_dry() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {room}.dry DEFAULT VALUES ON CONFLICT DO NOTHING;
    PERFORM set_config('ficus.dry', {schema}, true);
END $$;
-- CREATE OR REPLACE does not know constraint triggers.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = {dry}::regclass AND tgname = 'never') THEN
        CREATE CONSTRAINT TRIGGER never AFTER INSERT OR UPDATE ON {room}.dry
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {room}.never();
        -- ALWAYS: a session in replication mode is no way around it.
        ALTER TABLE {room}.dry ENABLE ALWAYS TRIGGER never;
    END IF;
END $$;
"""

# In the guard, before the writers' lock: a fence need not wait for what is never committed. The
# setting is asked first, so everybody else pays for that alone. Where this side has the authority a
# dry transaction writes as any other, and waits at the fence as any other.
ADMITS = """
IF current_setting('ficus.dry', true) = {schema} THEN
        IF EXISTS (SELECT FROM {room}.dry WHERE xid = pg_current_xact_id())
           AND (SELECT owner FROM {room}.ownership) <> {me} THEN RETURN NULL; END IF;
    END IF;
"""


def tables(side: Side) -> sql.Composed:
    """The table, its trigger and ``begin_dry()``; again brings what is missing."""
    return sql.SQL(_TABLES).format(
        room=sql.Identifier(side.room),
        schema=sql.Literal(side.schema),
        code=sql.Literal(DRY),
        dry=sql.Literal(f'"{side.room}".dry'),
    )


def let_pass(side: Side) -> sql.Composed:
    """The guard's part of it."""
    return sql.SQL(ADMITS).format(
        room=sql.Identifier(side.room),
        schema=sql.Literal(side.schema),
        me=sql.Literal(side.name),
    )
