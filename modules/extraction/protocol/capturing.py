"""Row triggers that write every change of a table into the log, in the change's transaction.

Source: docs/extraction-protocol.md, *Capture*. They see raw SQL, the admin, bulk operations and
cascades alike. They cost while they exist, so they exist only while an extraction is under way.
"""

from __future__ import annotations

from psycopg import sql

from modules.extraction.protocol.schema import HALF
from modules.extraction.protocol.sides import Side
from modules.extraction.protocol.tables import Table

_FUNCTION = """
-- For sessions whose settings would write dates, intervals or floats in an ambiguous way.
CREATE OR REPLACE FUNCTION {room}.{canonical}(one {table}) RETURNS text
LANGUAGE plpgsql STABLE
SET DateStyle = 'ISO, YMD' SET IntervalStyle = 'postgres' SET extra_float_digits = 1
AS $$ BEGIN RETURN one::text; END $$;

CREATE OR REPLACE FUNCTION {room}.{capture}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind "char" := left(TG_OP, 1);
    at bigint;
    is_plain boolean;
    one text; n1 bigint; n2 bigint; o1 bigint; o2 bigint;
BEGIN
    -- Inside the function, because a WHEN clause is evaluated and its trigger queued at a price
    -- above that of this test, for every row of the application.
    IF current_setting('ficus.applier', true) = {schema} THEN RETURN NULL; END IF;
    is_plain := {is_plain};
    IF kind <> 'I' THEN
        o1 := {old_1}; o2 := {old_2};
    END IF;
    -- A row whose key changes leaves one place and comes to another.
    IF kind = 'U' AND ROW({old_keys}) IS DISTINCT FROM ROW({new_keys}) THEN
        one := CASE WHEN is_plain THEN OLD::text ELSE {room}.{canonical}(OLD) END;
        at := nextval({log_id});
        INSERT INTO {room}.log (half, id, tab, op, key, image, o1, o2)
        VALUES (at >> {half} & 1, at, {number}, 'D', {old_key}, one, o1, o2);
        kind := 'I'; o1 := NULL; o2 := NULL;
    END IF;
    IF kind = 'D' THEN
        one := CASE WHEN is_plain THEN OLD::text ELSE {room}.{canonical}(OLD) END;
        at := nextval({log_id});
        INSERT INTO {room}.log (half, id, tab, op, key, image, o1, o2)
        VALUES (at >> {half} & 1, at, {number}, 'D', {old_key}, one, o1, o2);
        RETURN NULL;
    END IF;
    n1 := {new_1}; n2 := {new_2};
    one := CASE WHEN is_plain THEN NEW::text ELSE {room}.{canonical}(NEW) END;
    at := nextval({log_id});
    -- Straight into the half: going through the parent would route each row.
    IF at >> {half} & 1 = 0 THEN
        INSERT INTO {room}.log_0 (half, id, tab, op, key, image, n1, n2, o1, o2)
        VALUES (0, at, {number}, kind, {new_key}, one, n1, n2, o1, o2);
    ELSE
        INSERT INTO {room}.log_1 (half, id, tab, op, key, image, n1, n2, o1, o2)
        VALUES (1, at, {number}, kind, {new_key}, one, n1, n2, o1, o2);
    END IF;
    RETURN NULL;
END $$;
"""

_STYLES = {
    "date": "current_setting('DateStyle') LIKE 'ISO%'",
    "interval": "current_setting('IntervalStyle') = 'postgres'",
    "float": "current_setting('extra_float_digits')::integer > 0",
}
_DATED = ("date",)
_SAME_EVERYWHERE = (
    *("smallint", "integer", "bigint", "numeric", "boolean", "uuid", "text", "character", "bytea"),
    *("json", "inet", "cidr"),
)

# ALWAYS: a session in replication mode (a restore, a shell of a superuser) is captured as well.
TRIGGER = """
CREATE OR REPLACE TRIGGER ficus_capture AFTER INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {room}.{capture}();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER ficus_capture;
"""


def function(side: Side, table: Table) -> sql.Composed:
    """The capture function of one table."""
    new_1, new_2 = table.hashes("NEW")
    old_1, old_2 = table.hashes("OLD")
    return sql.SQL(_FUNCTION).format(
        **_names(side, table),
        schema=sql.Literal(side.schema),
        log_id=sql.Literal(f'"{side.room}".log_id'),
        half=sql.Literal(HALF),
        number=sql.Literal(table.number),
        is_plain=_is_plain(table),
        new_keys=table.names(table.key, "NEW"),
        old_keys=table.names(table.key, "OLD"),
        new_key=table.key_text("NEW"),
        old_key=table.key_text("OLD"),
        new_1=new_1,
        new_2=new_2,
        old_1=old_1,
        old_2=old_2,
    )


def trigger(side: Side, table: Table) -> sql.Composed:
    """The trigger that calls it; partitions, also later ones, get it from their parent."""
    return sql.SQL(TRIGGER).format(**_names(side, table))


def _is_plain(table: Table) -> sql.Composable:
    """Whether the session writes the columns' types in the one way that reads back anywhere.

    Only what the table needs is asked: each question costs every change of a row.
    """
    asked = {
        name
        for column in table.columns
        if not column.type.startswith(_SAME_EVERYWHERE)
        for name in (_DATED if column.type.startswith(("date", "timestamp")) else _STYLES)
    }
    return sql.SQL(" AND ".join(_STYLES[name] for name in sorted(asked)) or "true")


def _names(side: Side, table: Table) -> dict[str, sql.Composable]:
    return {
        "room": sql.Identifier(side.room),
        "table": table.qualified,
        "capture": sql.Identifier(f"capture_{table.number}"),
        "canonical": sql.Identifier(f"canonical_{table.number}"),
    }
