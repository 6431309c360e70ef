"""The structure of a module's schema as statements, read from the catalogue of its database.

PostgreSQL alone, no Django. What the statements make is the same table by table, in the order of
the columns too: rows of the one fit the other. What belongs to an extraction (``ficus_*``
triggers) is left out. Names stand with their schema, so nothing depends on a search path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

# What no statement below can make again. Better refused than left out unseen.
_STRANGE = """
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'c' THEN 'type'
       ELSE 'foreign table' END || ' ' || c.relname FROM pg_class c
 WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('v', 'm', 'f', 'c')
UNION ALL
SELECT 'type ' || t.typname FROM pg_type t
 WHERE t.typnamespace = %(schema)s::regnamespace AND t.typtype IN ('e', 'd', 'r')
UNION ALL
SELECT 'aggregate ' || p.proname FROM pg_proc p
 WHERE p.pronamespace = %(schema)s::regnamespace AND p.prokind NOT IN ('f', 'p')
UNION ALL
SELECT 'policy ' || p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
 WHERE c.relnamespace = %(schema)s::regnamespace
UNION ALL
SELECT 'foreign key ' || k.conname || ' to another schema' FROM pg_constraint k
  JOIN pg_class t ON t.oid = k.confrelid
 WHERE k.connamespace = %(schema)s::regnamespace AND t.relnamespace <> k.connamespace
ORDER BY 1
"""
# Sequences that no column makes with itself.
_SEQUENCES = """
SELECT format('CREATE SEQUENCE %%I.%%I AS %%s INCREMENT %%s MINVALUE %%s MAXVALUE %%s START %%s '
              'CACHE %%s%%s', n.nspname, c.relname, format_type(s.seqtypid, NULL), s.seqincrement,
              s.seqmin, s.seqmax, s.seqstart, s.seqcache,
              CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n
  ON n.oid = c.relnamespace
WHERE c.relnamespace = %(schema)s::regnamespace AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass
      AND d.deptype = 'i' AND d.refobjsubid > 0)
ORDER BY 1
"""
_FUNCTIONS = """
SELECT pg_get_functiondef(p.oid) FROM pg_proc p
WHERE p.pronamespace = %(schema)s::regnamespace ORDER BY p.proname, p.oid
"""
_COLUMNS = """
(SELECT string_agg(
    format('%%I %%s', a.attname, format_type(a.atttypid, a.atttypmod))
    || CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
            THEN (SELECT format(' COLLATE %%I.%%I', o.nspname, l.collname) FROM pg_collation l
                  JOIN pg_namespace o ON o.oid = l.collnamespace WHERE l.oid = a.attcollation)
            ELSE '' END
    || CASE WHEN a.attgenerated = 's'
            THEN format(' GENERATED ALWAYS AS (%%s) STORED', pg_get_expr(e.adbin, e.adrelid))
            WHEN a.attgenerated = 'v'
            THEN format(' GENERATED ALWAYS AS (%%s) VIRTUAL', pg_get_expr(e.adbin, e.adrelid))
            WHEN a.attidentity <> ''
            THEN format(' GENERATED %%s AS IDENTITY (SEQUENCE NAME %%s)',
                        CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
                        pg_get_serial_sequence(c.oid::regclass::text, a.attname))
            WHEN e.adbin IS NOT NULL THEN ' DEFAULT ' || pg_get_expr(e.adbin, e.adrelid)
            ELSE '' END
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END, ', ' ORDER BY a.attnum)
 FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
 LEFT JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
"""
# Parents before their partitions, which are made by their bounds. ``columns`` is the query above.
_TABLES = """
SELECT CASE WHEN c.relispartition
       THEN format('CREATE TABLE %%I.%%I PARTITION OF %%s %%s', n.nspname, c.relname,
                   (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = c.oid),
                   pg_get_expr(c.relpartbound, c.oid))
       ELSE format('CREATE TABLE %%I.%%I (%%s)', n.nspname, c.relname, {columns}) END
       || CASE WHEN c.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(c.oid) ELSE '' END
       || CASE WHEN c.reloptions IS NOT NULL
               THEN ' WITH (' || array_to_string(c.reloptions, ', ') || ')' ELSE '' END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY (SELECT count(*) FROM pg_partition_ancestors(c.oid)), c.relname
"""
_OWNED = """
SELECT format('ALTER SEQUENCE %%s OWNED BY %%s.%%I', d.objid::regclass, d.refobjid::regclass,
              a.attname)
FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.deptype = 'a' AND c.relnamespace = %(schema)s::regnamespace ORDER BY 1
"""
_STANDS = """
SELECT format('SELECT pg_catalog.setval(%%L, %%s)', c.oid::regclass,
              pg_sequence_last_value(c.oid))
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
WHERE c.relnamespace = %(schema)s::regnamespace
  AND pg_sequence_last_value(s.seqrelid) IS NOT NULL ORDER BY 1
"""
# A foreign key needs the key that it names; NOT NULL stands with its column.
_CONSTRAINTS = """
SELECT format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', k.conrelid::regclass, k.conname,
              pg_get_constraintdef(k.oid))
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = %(schema)s::regnamespace AND k.contype IN ('p', 'u', 'x', 'c', 'f')
  AND k.conparentid = 0 AND k.conislocal
ORDER BY k.contype = 'f', k.contype <> 'p', 1
"""
_INDEXES = """
SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = %(schema)s::regnamespace
  AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
  AND NOT EXISTS (SELECT FROM pg_constraint k
                  WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY c.relname
"""
_TRIGGERS = """
SELECT pg_get_triggerdef(g.oid) FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
WHERE c.relnamespace = %(schema)s::regnamespace AND NOT g.tgisinternal AND g.tgparentid = 0
  AND g.tgname NOT LIKE 'ficus\\_%%' ORDER BY c.relname, g.tgname
"""
_ALWAYS = """
SELECT format('ALTER TABLE %%s ENABLE %%s TRIGGER %%I', c.oid::regclass,
              CASE g.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, g.tgname)
FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
WHERE c.relnamespace = %(schema)s::regnamespace AND NOT g.tgisinternal AND g.tgparentid = 0
  AND g.tgname NOT LIKE 'ficus\\_%%' AND g.tgenabled IN ('A', 'R') ORDER BY 1
"""
_FILLED = """
SELECT c.relname, (SELECT string_agg(format('%%I', a.attname), ', ' ORDER BY a.attnum)
    FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')
FROM pg_class c
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition ORDER BY c.relname
"""


class Unwritable(Exception):
    """The schema has what these statements cannot make again; ``what`` names it."""

    def __init__(self, schema: str, what: Sequence[str]) -> None:
        self.schema, self.what = schema, tuple(what)
        super().__init__(f"{schema} has what cannot be written down: {', '.join(what)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A table that rows are put into. ``columns`` is its list of columns as SQL: none that is
    generated.
    """

    name: str
    columns: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """Statements in their order: ``before`` the rows come, and ``after``. ``tables`` have rows;
    partitions are filled through their parents.
    """

    schema: str
    before: tuple[str, ...]
    tables: tuple[Filled, ...]
    after: tuple[str, ...]


def read(connection: psycopg.Connection[Any], schema: str) -> Blueprint:
    """The structure of ``schema`` as it is now. Raises Unwritable, and psycopg's errors."""
    with _plainly(connection):
        name = sql.Identifier(schema).as_string(connection)
        if strange := _all(connection, _STRANGE, name):
            raise Unwritable(schema, strange)
        before = [f"CREATE SCHEMA IF NOT EXISTS {name}", "SET check_function_bodies = off"]
        # A column's default may call a function, and a function takes tables by name only.
        for query in (_SEQUENCES, _FUNCTIONS, _TABLES.replace("{columns}", _COLUMNS), _OWNED):
            before += _all(connection, query, name)
        after = [
            statement
            for query in (_CONSTRAINTS, _INDEXES, _TRIGGERS, _ALWAYS, _STANDS)
            for statement in _all(connection, query, name)
        ]
        found = connection.execute(_FILLED, {"schema": name}).fetchall()
    tables = tuple(Filled(name=table, columns=columns) for table, columns in found)
    return Blueprint(schema=schema, before=tuple(before), tables=tables, after=tuple(after))


def build(connection: psycopg.Connection[Any], statements: Sequence[str]) -> None:
    """Run them, each as it stands."""
    for statement in statements:
        connection.execute(statement.encode())


@contextmanager
def _plainly(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Without a search path, PostgreSQL names everything with its schema."""
    with connection.transaction():
        connection.execute("SET LOCAL search_path = ''")
        yield


def _all(connection: psycopg.Connection[Any], query: str, schema: str) -> list[str]:
    rows = connection.execute(query.encode(), {"schema": schema}).fetchall()
    return [row[0] for row in rows]
