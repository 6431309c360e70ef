"""The bus's tables and functions, in whichever schema the connection's search_path names."""

import django.utils.timezone
from django.db import migrations, models

TABLES = """
CREATE SEQUENCE bus_outbox_id_seq CACHE 1;

CREATE TABLE bus_outbox (
    id         bigint      NOT NULL DEFAULT nextval('bus_outbox_id_seq'),
    event_id   uuid        NOT NULL,
    part       smallint    NOT NULL,
    key        text        NOT NULL,
    agg_seq    bigint      NOT NULL,
    type       text        NOT NULL,
    version    smallint    NOT NULL,
    payload    json        NOT NULL,
    headers    json,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
ALTER SEQUENCE bus_outbox_id_seq OWNED BY bus_outbox.id;
CREATE INDEX bus_outbox_part_id ON bus_outbox (part, id);
CREATE INDEX bus_outbox_key_id ON bus_outbox (key, id);

CREATE TABLE bus_subscription (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer   text        NOT NULL,
    part       smallint    NOT NULL,
    types      text[]      NOT NULL,
    accepts    jsonb       NOT NULL DEFAULT '{}',
    acked      bigint      NOT NULL,
    sent       bigint      NOT NULL,
    sent_at    timestamptz,
    resends    integer     NOT NULL DEFAULT 0,
    state      text        NOT NULL DEFAULT 'new',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (consumer, part),
    CHECK (state IN ('new', 'live', 'paused', 'ended')),
    CHECK (sent >= acked)
) WITH (fillfactor = 50);

CREATE TABLE bus_cursor (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer   text        NOT NULL,
    source     text        NOT NULL,
    part       smallint    NOT NULL,
    pos        bigint      NOT NULL,
    UNIQUE (consumer, source, part)
) WITH (fillfactor = 50);

CREATE TABLE bus_parked (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer    text        NOT NULL,
    source      text        NOT NULL,
    part        smallint    NOT NULL,
    position    bigint      NOT NULL,
    key         text        NOT NULL,
    type        text        NOT NULL,
    envelope    json        NOT NULL,
    state       text        NOT NULL,
    attempts    integer     NOT NULL DEFAULT 0,
    next_at     timestamptz,
    fingerprint text        NOT NULL DEFAULT '',
    place       text        NOT NULL DEFAULT '',
    error       text        NOT NULL DEFAULT '',
    resolution  text        NOT NULL DEFAULT '',
    reason      text        NOT NULL DEFAULT '',
    actor       text        NOT NULL DEFAULT '',
    parked_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at timestamptz,
    UNIQUE (consumer, source, position),
    CHECK (state IN ('retry', 'blocked', 'dead', 'manual', 'resolved'))
);
CREATE INDEX bus_parked_key ON bus_parked (source, part, key, position) WHERE state <> 'resolved';
CREATE INDEX bus_parked_due ON bus_parked (next_at) WHERE state = 'retry';

CREATE TABLE bus_timer (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type       text        NOT NULL,
    key        text        NOT NULL,
    due_at     timestamptz NOT NULL,
    payload    json        NOT NULL,
    headers    json,
    state      text        NOT NULL DEFAULT 'due',
    attempts   integer     NOT NULL DEFAULT 0,
    error      text        NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (type, key),
    CHECK (state IN ('due', 'dead'))
);
CREATE INDEX bus_timer_due ON bus_timer (due_at) WHERE state = 'due';

CREATE TABLE bus_dedup (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source     text        NOT NULL,
    key        text        NOT NULL,
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (source, key)
);
CREATE INDEX bus_dedup_seen_at ON bus_dedup (seen_at);

CREATE TABLE bus_audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor      text        NOT NULL,
    verb       text        NOT NULL,
    target     text        NOT NULL,
    reason     text        NOT NULL,
    changed    integer     NOT NULL
);
"""

DROP_TABLES = """
DROP TABLE bus_audit, bus_dedup, bus_timer, bus_parked, bus_cursor, bus_subscription, bus_outbox;
"""

# Advisory locks of the outbox are (oid of the table, low 32 bits of a sequence value): the table's
# oid keeps the modules of one database apart.
FUNCTIONS = """
CREATE FUNCTION bus_head() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM bus_outbox_id_seq
$$;

-- The order matters: read the sequence, lock what was read, only then draw numbers. So every
-- number that is not yet committed is above some lock, or above the head that a relay reads before
-- it looks at the locks.
CREATE FUNCTION bus_publish(
    ids uuid[], keys text[], types text[], versions smallint[], payloads text[], head text
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    space integer := 'bus_outbox'::regclass::oid::integer;
    low bigint;
BEGIN
    -- One lock a transaction is enough (its first is its lowest), and a long transaction must not
    -- fill the lock table. The setting ends with the transaction, or with the savepoint, as the
    -- lock does.
    IF current_setting('ficus.bus_held', true) IS DISTINCT FROM space::text THEN
        low := bus_head() & 4294967295;
        IF low > 2147483647 THEN
            low := low - 4294967296;
        END IF;
        PERFORM pg_advisory_xact_lock_shared(space, low::integer);
        PERFORM set_config('ficus.bus_held', space::text, true);
    END IF;
    INSERT INTO bus_outbox (event_id, part, key, agg_seq, type, version, payload, headers)
    SELECT e.id, hashtextextended(e.key, 0) & 7, e.key,
           coalesce((SELECT o.agg_seq FROM bus_outbox o
                     WHERE o.key = e.key ORDER BY o.id DESC LIMIT 1), 0)
               + row_number() OVER (PARTITION BY e.key ORDER BY e.n),
           e.type, e.version, e.payload::json, head::json
    FROM unnest(ids, keys, types, versions, payloads)
         WITH ORDINALITY AS e (id, key, type, version, payload, n)
    ORDER BY e.n;
END
$$;

-- All rows up to here are visible to the next snapshot or never will be. Own locks do not count:
-- a session sees its own rows.
CREATE FUNCTION bus_horizon() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    head bigint := bus_head();
    low bigint;
BEGIN
    SELECT min(((objid::bigint - head + 2147483648) & 4294967295) - 2147483648 + head) INTO low
    FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 2
      AND classid = 'bus_outbox'::regclass::oid
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND pid IS DISTINCT FROM pg_backend_pid();
    RETURN least(head, low);
END
$$;

-- Makes partitions of `size` numbers until `ahead` of them lie above the head. Returns how many.
CREATE FUNCTION bus_make_partitions(size bigint, ahead integer) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    top bigint;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock('bus_outbox'::regclass::oid::bigint);
    SELECT coalesce(max(substring(pg_get_expr(c.relpartbound, c.oid)
                                  FROM $x$TO \\('(\\d+)'\\)$x$)::bigint), 1)
      INTO top
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'bus_outbox'::regclass;
    WHILE top <= bus_head() + size * ahead LOOP
        EXECUTE format('CREATE TABLE bus_outbox_%s (LIKE bus_outbox INCLUDING DEFAULTS '
                       'INCLUDING CONSTRAINTS)', lpad(top::text, 19, '0'));
        -- ATTACH lets publishers go on; CREATE ... PARTITION OF would lock them out.
        EXECUTE format('ALTER TABLE bus_outbox ATTACH PARTITION bus_outbox_%s '
                       'FOR VALUES FROM (%s) TO (%s)', lpad(top::text, 19, '0'), top, top + size);
        top := top + size;
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

SELECT bus_make_partitions(1000000, 3);
"""

DROP_FUNCTIONS = """
DROP FUNCTION bus_make_partitions; DROP FUNCTION bus_horizon; DROP FUNCTION bus_publish;
DROP FUNCTION bus_head;
"""


def text(**options):
    return models.TextField(**options)


ID = (
    "id",
    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
)
NOW = django.utils.timezone.now

STATE = [
    migrations.CreateModel(
        name="OutboxEvent",
        fields=[
            ID,
            ("event_id", models.UUIDField()),
            ("part", models.SmallIntegerField()),
            ("key", text()),
            ("agg_seq", models.BigIntegerField()),
            ("type", text()),
            ("version", models.SmallIntegerField()),
            ("payload", models.JSONField()),
            ("headers", models.JSONField(null=True)),
            ("created_at", models.DateTimeField(default=NOW)),
        ],
        options={"db_table": "bus_outbox", "verbose_name": "event"},
    ),
    migrations.CreateModel(
        name="Subscription",
        fields=[
            ID,
            ("consumer", text()),
            ("part", models.SmallIntegerField()),
            ("acked", models.BigIntegerField()),
            ("sent", models.BigIntegerField()),
            ("sent_at", models.DateTimeField(null=True)),
            ("resends", models.IntegerField(default=0)),
            ("state", text(default="new")),
            ("created_at", models.DateTimeField(default=NOW)),
        ],
        options={"db_table": "bus_subscription"},
    ),
    migrations.CreateModel(
        name="Cursor",
        fields=[
            ID,
            ("consumer", text()),
            ("source", text()),
            ("part", models.SmallIntegerField()),
            ("pos", models.BigIntegerField()),
        ],
        options={"db_table": "bus_cursor"},
    ),
    migrations.CreateModel(
        name="ParkedEvent",
        fields=[
            ID,
            ("consumer", text()),
            ("source", text()),
            ("part", models.SmallIntegerField()),
            ("position", models.BigIntegerField()),
            ("key", text()),
            ("type", text()),
            ("envelope", models.JSONField()),
            ("state", text()),
            ("attempts", models.IntegerField(default=0)),
            ("next_at", models.DateTimeField(null=True)),
            ("fingerprint", text(default="")),
            ("place", text(default="")),
            ("error", text(default="")),
            ("resolution", text(default="")),
            ("reason", text(default="")),
            ("actor", text(default="")),
            ("parked_at", models.DateTimeField(default=NOW)),
            ("resolved_at", models.DateTimeField(null=True)),
        ],
        options={"db_table": "bus_parked", "verbose_name": "parked event"},
    ),
    migrations.CreateModel(
        name="Timer",
        fields=[
            ID,
            ("type", text()),
            ("key", text()),
            ("due_at", models.DateTimeField()),
            ("payload", models.JSONField()),
            ("headers", models.JSONField(null=True)),
            ("state", text(default="due")),
            ("attempts", models.IntegerField(default=0)),
            ("error", text(default="")),
            ("created_at", models.DateTimeField(default=NOW)),
        ],
        options={"db_table": "bus_timer"},
    ),
    migrations.CreateModel(
        name="SeenMessage",
        fields=[
            ID,
            ("source", text()),
            ("key", text()),
            ("seen_at", models.DateTimeField(default=NOW)),
        ],
        options={"db_table": "bus_dedup", "verbose_name": "seen message"},
    ),
    migrations.CreateModel(
        name="Steering",
        fields=[
            ID,
            ("at", models.DateTimeField(default=NOW)),
            ("actor", text()),
            ("verb", text()),
            ("target", text()),
            ("reason", text()),
            ("changed", models.IntegerField()),
        ],
        options={"db_table": "bus_audit", "verbose_name": "change by hand",
                 "verbose_name_plural": "changes by hand"},
    ),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(TABLES, DROP_TABLES),
                migrations.RunSQL(FUNCTIONS, DROP_FUNCTIONS),
            ],
            state_operations=STATE,
        ),
    ]
