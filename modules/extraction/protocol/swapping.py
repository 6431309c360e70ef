"""The server functions that move ownership. Each is one autocommitted statement.

A controller that is stopped between two statements of one transaction would hold the writers'
lock until it goes on; a function runs to its end on the server whatever becomes of its caller.
Source: docs/extraction-protocol.md, *Cutover* and *Rollback*.
"""

from __future__ import annotations

from psycopg import sql

from modules.extraction.protocol.guarding import locks
from modules.extraction.protocol.schema import HALF
from modules.extraction.protocol.sides import Side

_FUNCTIONS = """
-- The module's sequences and where they stand, as JSON.
CREATE OR REPLACE FUNCTION {room}.sequences() RETURNS json LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(json_object_agg(c.relname, pg_sequence_last_value(s.seqrelid)), '{{}}')
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
    WHERE c.relnamespace = {schema}::regnamespace
      AND pg_sequence_last_value(s.seqrelid) IS NOT NULL
      AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                        AND d.deptype IN ('a', 'i') AND t.relname = 'django_migrations')
$$;

CREATE OR REPLACE FUNCTION {room}.set_sequences(known json) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT setval(format('%I.%I', {schema}, key)::regclass, value::bigint)
    FROM json_each_text(known)
$$;

-- Shut the module's writers out, and say so in the log. Whoever has the writers' lock is waited
-- for, no longer than lock_timeout: all other writers queue behind this request. It does not wait
-- for the disk: the commit point does (`give`), or the stream that brings the marker, and nothing
-- is decided sooner.
CREATE OR REPLACE FUNCTION {room}.fence(ttl interval, OUT at_epoch bigint, OUT at_marker bigint)
LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock({writers});
    at_marker := nextval({log_id});
    -- A fence that stands already is one whose controller is gone: the caller has its lock.
    UPDATE {room}.ownership SET mode = 'fenced', epoch = epoch + 1, marker = at_marker,
           fence_deadline = clock_timestamp() + ttl, changed_at = clock_timestamp()
     WHERE owner = {me} AND life IS NOT NULL RETURNING epoch INTO at_epoch;
    IF at_epoch IS NULL THEN RETURN; END IF;
    INSERT INTO {room}.log (half, id, tab, op, key, image)
    VALUES (at_marker >> {half} & 1, at_marker, 0, 'M', at_epoch, {room}.sequences());
END $$;

-- Open again, if it is still this fence that stands. The epoch is burnt: a commit point for it
-- that comes later finds another.
CREATE OR REPLACE FUNCTION {room}.unfence(of_epoch bigint, next_epoch bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    UPDATE {room}.ownership SET mode = 'open', epoch = greatest(next_epoch, epoch + 1),
           changed_at = clock_timestamp()
     WHERE owner = {me} AND mode = 'fenced' AND epoch = of_epoch;
    RETURN FOUND;
END $$;

-- What the other side has decided is written down here; again does nothing. The service opens only
-- over what it was given, up to the marker: that is brought first. That it opens waits for the disk
-- if the session does, and need not: a write that is on disk has all before it there, and where a
-- crash takes the word before any, the service is shut again, and told again.
CREATE OR REPLACE FUNCTION {room}.learn(new_owner text, new_epoch bigint, of_marker bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF new_owner = 'monolith' THEN PERFORM set_config('synchronous_commit', 'on', true); END IF;
    UPDATE {room}.ownership SET owner = new_owner, mode = 'open', epoch = new_epoch,
           changed_at = clock_timestamp()
     WHERE (epoch < new_epoch OR epoch = new_epoch AND owner <> new_owner)
       AND (new_owner = 'monolith' OR owner = 'service' OR EXISTS
            (SELECT FROM {room}.stream
             WHERE name = 'forward' AND marker = of_marker AND marker_equal));
    RETURN FOUND;
END $$;
"""

_IN_SOURCE = """
-- THE commit point of a cutover. The writers' lock makes it one moment: who wrote after a lapse is
-- waited for and seen in the log's sequence, and who asks later sees the new owner.
-- clock_timestamp(), not now(): that is when the transaction began, and a controller that was
-- stopped in it would commit a fence which lapsed long ago.
CREATE OR REPLACE FUNCTION {room}.give(of_epoch bigint, of_marker bigint) RETURNS timestamptz
LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
    at timestamptz;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    PERFORM pg_advisory_xact_lock({writers});
    IF NOT pg_try_advisory_xact_lock({controller}) THEN RETURN NULL; END IF;
    UPDATE {room}.ownership SET owner = 'service', mode = 'open', changed_at = clock_timestamp()
     WHERE owner = 'monolith' AND mode = 'fenced' AND epoch = of_epoch AND marker = of_marker
       AND clock_timestamp() < fence_deadline
       AND (SELECT last_value FROM {room}.log_id) = of_marker
    RETURNING changed_at INTO at;
    RETURN at;
END $$;

-- No rollback that counts on the epoch `of_epoch` can swap any more. NULL: one has swapped.
CREATE OR REPLACE FUNCTION {room}.burn(OUT now_epoch bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    UPDATE {room}.ownership SET epoch = epoch + 2, changed_at = clock_timestamp()
     WHERE owner = 'service' RETURNING epoch INTO now_epoch;
END $$;

-- THE commit point of a rollback, and its grant, in one: position, digests and owner lie here.
CREATE OR REPLACE FUNCTION {room}.take_back(of_epoch bigint, of_marker bigint)
RETURNS timestamptz LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
    at timestamptz;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    UPDATE {room}.ownership SET owner = 'monolith', mode = 'open', epoch = of_epoch + 1,
           changed_at = clock_timestamp()
     WHERE owner = 'service' AND epoch = of_epoch
       AND EXISTS (SELECT FROM {room}.stream
                   WHERE name = 'reverse' AND marker = of_marker AND marker_equal)
    RETURNING changed_at INTO at;
    RETURN at;
END $$;
"""


def functions(side: Side) -> sql.Composed:
    """All functions of one side."""
    writers, controller = locks(side)
    text = _FUNCTIONS + (_IN_SOURCE if side.is_source else "")
    return sql.SQL(text).format(
        room=sql.Identifier(side.room),
        schema=sql.Literal(side.schema),
        me=sql.Literal(side.name),
        log_id=sql.Literal(f'"{side.room}".log_id'),
        half=sql.Literal(HALF),
        writers=writers,
        controller=controller,
    )
