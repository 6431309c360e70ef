"""Fills a drill's source: structure and rows of the live module, read in one snapshot.

The live module is only read: its tables are locked as any SELECT locks them. What is read in a
second is bounded, so that the live server has time for its own work.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

from modules.extraction.blueprints import Blueprint, Filled, build, read

BYTES_PER_SECOND = 32 * 1024 * 1024  # a tenth of what one core reads and writes
Session = psycopg.Connection[Any]
Told = Callable[[str, int], None]  # table, bytes


def fill(live: str, scratch: str, schema: str, told: Told) -> int:
    """Make and fill ``schema`` in the database ``scratch``; bytes that were read.

    Raises Unwritable and psycopg's errors.
    """
    with psycopg.connect(live, application_name="ficus drill copy") as origin:
        origin.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        plan = read(origin, schema)
        with psycopg.connect(scratch, autocommit=True) as end:
            build(end, plan.before)
            end.execute("SET session_replication_role = replica; SET synchronous_commit = off")
            total = sum(_table(origin, end, plan, one, told) for one in plan.tables)
            end.execute("SET session_replication_role = origin")
            build(end, plan.after)
            end.execute("ANALYZE")
    return total


def _table(origin: Session, end: Session, plan: Blueprint, one: Filled, told: Told) -> int:
    parts = {
        "table": sql.Identifier(plan.schema, one.name),
        "columns": sql.SQL(one.columns),  # quoted by PostgreSQL
    }
    out = sql.SQL("COPY (SELECT {columns} FROM {table}) TO STDOUT (FORMAT binary)")
    into = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT binary)")
    began, done = time.monotonic(), 0
    with (
        origin.cursor().copy(out.format(**parts)) as reading,
        end.cursor().copy(into.format(**parts)) as writing,
    ):
        for data in reading:
            writing.write(data)
            done += len(data)
            ahead = done / BYTES_PER_SECOND - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)
    told(one.name, done)
    return done
