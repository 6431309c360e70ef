"""A module's tables as PostgreSQL knows them: sizes, rows, writes, faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg

from modules.extraction.planning.plans import Data, Table
from modules.extraction.protocol.tables import refusals

# Partitions count for their table. Estimates: a plan must not scan what may be large.
_TABLES = """
SELECT c.relname, c.relpersistence,
       count(p.relid) FILTER (WHERE p.isleaf AND p.level > 0),
       coalesce(sum(CASE WHEN l.reltuples >= 0 THEN l.reltuples ELSE coalesce(s.n_live_tup, 0) END)
                FILTER (WHERE p.isleaf), 0)::bigint,
       coalesce(sum(pg_total_relation_size(p.relid)) FILTER (WHERE p.isleaf), 0)::bigint,
       coalesce(sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del) FILTER (WHERE p.isleaf), 0)::bigint,
       ARRAY(SELECT format('%%s references %%s', k.conname, k.confrelid::regclass)
               FROM pg_constraint k JOIN pg_class t ON t.oid = k.confrelid
              WHERE k.conrelid = c.oid AND k.contype = 'f' AND t.relnamespace <> c.relnamespace)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT relid, isleaf, level FROM pg_partition_tree(c.oid)
    UNION ALL SELECT c.oid, true, 0 WHERE c.relkind = 'r') p
JOIN pg_class l ON l.oid = p.relid
LEFT JOIN pg_stat_user_tables s ON s.relid = p.relid
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> 'django_migrations' AND c.relname NOT LIKE 'ficus\\_%%'
GROUP BY c.oid, c.relname, c.relpersistence
ORDER BY c.relname
"""
_SINCE = """
SELECT extract(epoch FROM clock_timestamp() - coalesce(stats_reset, pg_postmaster_start_time()))
FROM pg_stat_database WHERE datname = current_database()
"""
_OLDEST = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - a.xact_start)), 0)
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL AND EXISTS (
    SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE l.pid = a.pid AND n.nspname = %(schema)s AND l.mode LIKE '%%Row%%'
      AND c.relkind IN ('r', 'p'))
"""
_TRIPS = 5  # round trips measured; the quickest counts


def data_of(
    connection: psycopg.Connection[Any],
    schema: str,
    *,
    seconds: float = 0.0,
    sleep: Callable[[float], object] = time.sleep,
) -> Data:
    """The schema's tables and how they are written to.

    The rate is the average since the statistics began, or with ``seconds`` that of a sample.
    PostgreSQL's processes report their counts once a second, so a sample takes a few.
    ``connection`` is in autocommit. Raises psycopg's errors.
    """
    tables = _tables(connection, schema)
    written, since = sum(one.written for one in tables), _number(connection, _SINCE, schema)
    rate, span = written / max(since, 1.0), since
    if seconds > 0:
        sleep(seconds)
        later = sum(one.written for one in _tables(connection, schema))
        rate, span = (later - written) / seconds, seconds
    return Data(
        tables=tables,
        rate=rate,
        seconds=span,
        round_trip=_round_trip(connection),
        oldest=_number(connection, _OLDEST, schema),
    )


def _tables(connection: psycopg.Connection[Any], schema: str) -> tuple[Table, ...]:
    found = connection.execute(_TABLES, {"schema": schema}).fetchall()
    refused = refusals(connection, schema, [name for name, *_ in found])
    return tuple(_table(*row, refused=refused.get(row[0])) for row in found)


def _table(
    name: str,
    persistence: str,
    parts: int,
    rows: int,
    size: int,
    written: int,
    foreign: list[str],
    *,
    refused: str | None,
) -> Table:
    faults = list(foreign)
    if refused:
        faults.append(f"it {refused}")
    if persistence != "p":
        faults.append("it is unlogged")
    return Table(
        name=name, rows=rows, size=size, written=written, parts=parts, faults=tuple(faults)
    )


def _number(connection: psycopg.Connection[Any], query: str, schema: str) -> float:
    row = connection.execute(query.encode(), {"schema": schema}).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0


def _round_trip(connection: psycopg.Connection[Any]) -> float:
    taken = []
    for _ in range(_TRIPS):
        began = time.perf_counter()
        connection.execute("SELECT 1")
        taken.append(time.perf_counter() - began)
    return min(taken)
