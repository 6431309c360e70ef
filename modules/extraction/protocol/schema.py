"""The protocol's own tables, in a schema beside the module's: ``payment_move`` for ``payment``.

They stand in both databases, the same on both sides, and vanish with ``uninstall``.
"""

from __future__ import annotations

from psycopg import sql

from modules.extraction.protocol.errors import STALE

HALF = 20  # the log changes its half every 2^20 rows
STREAMS = ("forward", "reverse")

TABLES = """
-- Who may write here, as far as this database knows. In the source it is the truth.
CREATE TABLE {room}.ownership (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    owner          text NOT NULL CHECK (owner IN ('monolith', 'service')),
    epoch          bigint NOT NULL,     -- of the authority; only grows
    mode           text NOT NULL CHECK (mode IN ('open', 'fenced')),
    fence_deadline timestamptz,
    marker         bigint,              -- the log's number at the last fence
    life           uuid,                -- of this installation, on both sides; NULL: not whole
    changed_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO {room}.ownership (owner, epoch, mode) VALUES ('monolith', 0, 'open');

-- CACHE 1: with more, a session draws numbers ahead, and a row changed by two sessions would stand
-- in the log in the wrong order.
CREATE SEQUENCE {room}.log_id CACHE 1;

-- Two halves, written in turn and emptied by TRUNCATE when all of a half is applied. There is no
-- key on id: a position is a snapshot, so what is read is found by xid.
CREATE TABLE {room}.log (
    half  smallint NOT NULL,
    id    bigint   NOT NULL,
    xid   xid8     NOT NULL DEFAULT pg_current_xact_id(),
    tab   smallint NOT NULL,
    op    "char"   NOT NULL,            -- I, U, D; M: a fence's marker
    key   text     NOT NULL,
    image text     NOT NULL,            -- the new row, of D the old one
    n1 bigint, n2 bigint, o1 bigint, o2 bigint   -- hashes of the new and of the old row
) PARTITION BY LIST (half);
CREATE TABLE {room}.log_0 PARTITION OF {room}.log FOR VALUES IN (0);
CREATE TABLE {room}.log_1 PARTITION OF {room}.log FOR VALUES IN (1);
CREATE INDEX ON {room}.log (xid);

-- How far the stream that ends in this database has come.
CREATE TABLE {room}.stream (
    name         text PRIMARY KEY,
    position     text NOT NULL,
    applied      bigint NOT NULL DEFAULT 0,   -- log rows
    marker       bigint,                      -- the last fence's that was applied
    marker_equal boolean,                     -- whether claimed and actual were the same then
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- What the origin says it has sent, and what that has done here: counts and sums of two hashes.
CREATE TABLE {room}.sums (
    stream text NOT NULL, tab smallint NOT NULL,
    claimed_n bigint NOT NULL DEFAULT 0, claimed_1 numeric NOT NULL DEFAULT 0,
    claimed_2 numeric NOT NULL DEFAULT 0,
    actual_n bigint NOT NULL DEFAULT 0, actual_1 numeric NOT NULL DEFAULT 0,
    actual_2 numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (stream, tab)
) WITH (fillfactor = 50);

-- How far the first copy of each table has come, in the target.
CREATE TABLE {room}.backfill (
    tab      smallint PRIMARY KEY,
    name     text NOT NULL,
    state    text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'copying', 'done')),
    cursor   text[],                          -- the key of the last row copied
    rows     bigint NOT NULL DEFAULT 0,
    total    bigint                           -- estimated
);

CREATE TABLE {room}.scrub (
    started_at  timestamptz PRIMARY KEY,
    finished_at timestamptz,
    direction   text NOT NULL,
    rows        bigint NOT NULL DEFAULT 0,
    differences integer NOT NULL DEFAULT 0
);

CREATE TABLE {room}.pace (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    chunk_rows    integer NOT NULL DEFAULT 20000 CHECK (chunk_rows > 0),
    max_lag_rows  integer NOT NULL DEFAULT 50000,
    max_source_ms integer NOT NULL DEFAULT 500,
    paused        boolean NOT NULL DEFAULT false
);
INSERT INTO {room}.pace DEFAULT VALUES;

-- The position is compared and swapped, in the transaction that applies what lies between. Refused,
-- nothing that was sent along with it is done.
CREATE FUNCTION {room}.advance(of_stream text, from_position text, to_position text, of_rows bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE {room}.stream SET position = to_position, applied = applied + of_rows,
           changed_at = clock_timestamp()
     WHERE name = of_stream AND position = from_position;
    IF NOT FOUND THEN
        RAISE EXCEPTION '%: no longer at %', of_stream, from_position USING ERRCODE = {stale};
    END IF;
END $$;

-- At a fence's marker: bring the sequences, compare, and keep the outcome. Sums of tables that were
-- never copied are equal, too: nothing was sent, and nothing was done.
CREATE FUNCTION {room}.reach(of_stream text, of_marker bigint, known json) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    is_equal boolean;
BEGIN
    PERFORM {room}.set_sequences(known);
    SELECT bool_and((claimed_n, claimed_1, claimed_2) = (actual_n, actual_1, actual_2))
           AND (of_stream <> 'forward' OR NOT EXISTS
                (SELECT FROM {room}.backfill WHERE state <> 'done'))
      INTO is_equal FROM {room}.sums WHERE stream = of_stream;
    UPDATE {room}.stream SET marker = of_marker, marker_equal = is_equal WHERE name = of_stream;
    RETURN is_equal;
END $$;

-- The log's rows that the snapshot `base` did not see, each xid found by the index: those that
-- were under way then, and those that came later. Together they are exactly what is new, however
-- long some other transaction stays open.
CREATE FUNCTION {room}.unseen(base pg_snapshot) RETURNS SETOF {room}.log
LANGUAGE sql STABLE AS $$
    SELECT * FROM {room}.log WHERE xid >= pg_snapshot_xmax(base)
    UNION ALL
    SELECT * FROM {room}.log WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(base)))
$$;
"""


def tables(room: str) -> sql.Composed:
    """The DDL of the protocol's tables in the schema ``room``."""
    return sql.SQL(TABLES).format(room=sql.Identifier(room), stale=sql.Literal(STALE))
