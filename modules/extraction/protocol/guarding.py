"""Statement triggers that ask, before each write to the module, whether this database owns it.

Source: docs/extraction-protocol.md, *Ownership and fence*. Because PostgreSQL refuses, it does not
matter who writes: web, worker, cron, a shell, or a process that was stopped through the swap.
"""

from __future__ import annotations

import hashlib

from psycopg import sql

from modules.extraction.protocol import dry
from modules.extraction.protocol.errors import FENCED, MOVED, TRUNCATE_REFUSED
from modules.extraction.protocol.sides import Side

_GUARD = """
CREATE OR REPLACE FUNCTION {room}.guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    has {room}.ownership;
BEGIN
    IF current_setting('ficus.applier', true) = {schema} THEN RETURN NULL; END IF;
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION '%.% is being moved: TRUNCATE is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = {truncate}, HINT = 'Use DELETE.';
    END IF;
    {let_pass}
    -- Held until the transaction ends: a fence waits for whoever has passed here. It must be a
    -- statement of its own, so that the next one has a snapshot from after the wait.
    PERFORM pg_advisory_xact_lock_shared({writers});
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        -- The snapshot is older than the wait: FOR SHARE fails with 40001 if the row has changed
        -- since. (For everybody it would starve the fence.)
        SELECT * INTO has FROM {room}.ownership FOR SHARE;
    ELSE
        SELECT * INTO has FROM {room}.ownership;
    END IF;
    IF has.owner = {me} THEN
        IF has.mode = 'open' THEN RETURN NULL; END IF;
        {lapse}
        RAISE EXCEPTION 'the module in schema % is being handed over', TG_TABLE_SCHEMA
            USING ERRCODE = {fenced}, DETAIL = format('epoch %s', has.epoch),
                  HINT = 'Try again in some milliseconds.';
    END IF;
    RAISE EXCEPTION 'the module in schema % has moved: it belongs to the %',
        TG_TABLE_SCHEMA, has.owner
        USING ERRCODE = {moved}, DETAIL = format('epoch %s', has.epoch),
              HINT = 'Ask for the route again.';
END $$;
"""

# Safe in the source only, because the commit point is there too, and takes the writers' lock:
# either it sees that somebody wrote after the lapse, or it is over when they look. The second
# test: the controller holds its lock as long as it lives, so whoever gets it may go on. It is
# taken shared, and for the transaction: a commit point that comes nevertheless will not get it.
_LAPSE = """
        IF clock_timestamp() >= has.fence_deadline
           OR pg_try_advisory_xact_lock_shared({controller}) THEN RETURN NULL; END IF;
"""
_NO_LAPSE = """
        -- The service's fence never lapses here: the monolith might have swapped already, and this
        -- database cannot know. heal() asks there first.
"""

TRIGGERS = """
CREATE OR REPLACE TRIGGER ficus_guard BEFORE INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {room}.guard();
CREATE OR REPLACE TRIGGER ficus_guard_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {room}.guard();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER ficus_guard;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER ficus_guard_truncate;
"""
DROP_TRIGGERS = """
DROP TRIGGER IF EXISTS ficus_guard ON {table};
DROP TRIGGER IF EXISTS ficus_guard_truncate ON {table};
"""
DROP_CAPTURE = "DROP TRIGGER IF EXISTS ficus_capture ON {table};"


def locks(side: Side) -> tuple[sql.Literal, sql.Literal]:
    """Advisory lock keys: the writers', and the controller's."""
    return sql.Literal(_key(side.schema, "writers")), sql.Literal(_key(side.schema, "controller"))


def function(side: Side) -> sql.Composed:
    """The guard of one side."""
    writers, controller = locks(side)
    lapse = sql.SQL(_LAPSE if side.is_source else _NO_LAPSE).format(controller=controller)
    return sql.SQL(_GUARD).format(
        room=sql.Identifier(side.room),
        schema=sql.Literal(side.schema),
        me=sql.Literal(side.name),
        writers=writers,
        lapse=lapse,
        let_pass=dry.let_pass(side),
        fenced=sql.Literal(FENCED),
        moved=sql.Literal(MOVED),
        truncate=sql.Literal(TRUNCATE_REFUSED),
    )


def triggers(side: Side, table: str) -> sql.Composed:
    """The guard's triggers on a table or a partition: a statement fires those of the very table
    that it names.
    """
    return sql.SQL(TRIGGERS).format(
        room=sql.Identifier(side.room), table=sql.Identifier(side.schema, table)
    )


def drop_triggers(side: Side, table: str, *, with_capture: bool) -> sql.Composed:
    """Takes the protocol's triggers off a table; a partition's capture goes with its parent's."""
    text = DROP_TRIGGERS + (DROP_CAPTURE if with_capture else "")
    return sql.SQL(text).format(table=sql.Identifier(side.schema, table))


def _key(schema: str, purpose: str) -> int:
    """A 64-bit key; both sides and all versions make the same of the same words."""
    digest = hashlib.blake2b(f"ficus move {schema} {purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
