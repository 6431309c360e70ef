"""Everything that must hold before a fence is tried: what a dry run prints."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from modules.extraction.protocol.digests import all_equal, read_sums
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.sides import (
    MONOLITH,
    Connection,
    Direction,
    Move,
    as_login,
    connect,
    row,
)
from modules.extraction.protocol.streams import Stream
from modules.extraction.protocol.tables import differences, read_tables
from modules.extraction.protocol.wholeness import check_whole

LAG_ROWS = 5_000  # applied in about 100 ms
OLD_TRANSACTION = timedelta(milliseconds=50)
IDLE_WITHIN = 2.0  # seconds: on a busy machine one is often older, and soon over
IDLE_LOOK = 0.02  # seconds between two looks
SCRUB_AGE = timedelta(days=1)

# Transactions that have touched the module's tables and stay open: they would keep the fence
# waiting, or hold row locks that would block the reverse stream. Of tables: a VACUUM, which does
# neither and may take hours, locks their indexes in a writer's mode.
_OLD = """
SELECT count(*), coalesce(max(extract(epoch FROM clock_timestamp() - a.xact_start)), 0)::float8
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND a.xact_start < clock_timestamp() - %s
  AND EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
              WHERE l.pid = a.pid AND c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p')
                AND l.granted AND l.mode IN ('RowShareLock', 'RowExclusiveLock'))
"""
_MIGRATIONS = "SELECT app || '.' || name FROM {}.django_migrations ORDER BY 1"
_SCRUB = """
SELECT (SELECT extract(epoch FROM clock_timestamp() - max(started_at))::float8 FROM {room}.scrub
        WHERE finished_at IS NOT NULL AND differences = 0 AND direction = 'forward'
          AND started_at > coalesce((SELECT max(started_at) FROM {room}.scrub
                                     WHERE differences > 0), '-infinity'))
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition: what is the case, what must be, whether it is so."""

    name: str
    have: str
    need: str
    ok: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.have}, must be {self.need}"


def preflight(
    move: Move, *, scrubbed_within: timedelta = SCRUB_AGE, levels_first: bool = False
) -> tuple[Check, ...]:
    """All conditions of a cutover that lie in the two databases. Changes nothing.

    Who ``levels_first``, before the fence, is not stopped by partitions that one side lacks.
    Raises NotInstalled, CaptureAway, Unmovable, and ``psycopg.OperationalError`` when a side is
    away.
    """
    with (
        connect(move.source, purpose="preflight") as source,
        connect(move.target, purpose="preflight") as target,
        Stream(move, Direction.FORWARD) as stream,
    ):
        check_whole(move, source, target)
        return (
            _owner(move, source, target),
            _structure(move, source, target, levels_first=levels_first),
            _migrations(move, source, target),
            _copied(move, target),
            _lag(stream),
            _digests(move, source, target),
            _scrubbed(move, target, scrubbed_within),
            _armed(move, source),
            _idle(move, source),
        )


def _owner(move: Move, source: Connection, target: Connection) -> Check:
    ours, theirs = read_ownership(source, move.source), read_ownership(target, move.target)
    have = f"{ours.owner} ({ours.mode}), the service says {theirs.owner}"
    ok = ours.owner == theirs.owner == MONOLITH and (ours.mode == "open" or ours.is_overdue)
    return Check("authority", have, "monolith (open) on both sides", ok)


def _structure(move: Move, source: Connection, target: Connection, *, levels_first: bool) -> Check:
    ours = read_tables(source, move.source, move.tables)
    theirs = read_tables(target, move.target, move.tables)
    wrong = differences(ours, theirs)
    stops = differences(ours, theirs, partitions=False) if levels_first else wrong
    fine = "equal but for partitions, which are made first" if wrong else "equal"
    return Check("structure", "; ".join(stops) or fine, "equal", not stops)


def _migrations(move: Move, source: Connection, target: Connection) -> Check:
    ours, theirs = (
        _migrated(connection, side.schema)
        for connection, side in ((source, move.source), (target, move.target))
    )
    odd = sorted(name for name in ours ^ theirs if name.startswith(f"{move.module}."))
    return Check("migrations", ", ".join(odd) or "the same", "the same on both sides", not odd)


def _migrated(connection: Connection, schema: str) -> frozenset[str]:
    known = connection.execute(
        "SELECT to_regclass(%s) IS NOT NULL", [f'"{schema}".django_migrations']
    ).fetchone()
    if not known or not known[0]:
        return frozenset()
    statement = sql.SQL(_MIGRATIONS).format(sql.Identifier(schema))
    return frozenset(row[0] for row in connection.execute(statement))


def _copied(move: Move, target: Connection) -> Check:
    rows = target.execute(
        sql.SQL("SELECT name FROM {}.backfill WHERE state <> 'done' ORDER BY 1").format(
            sql.Identifier(move.target.room)
        )
    ).fetchall()
    left = ", ".join(row[0] for row in rows)
    return Check("first copy", f"missing: {left}" if left else "done", "done", not rows)


def _lag(stream: Stream) -> Check:
    lag = stream.lag(limit=LAG_ROWS + 1)
    return Check("lag", f"{lag} rows", f"at most {LAG_ROWS}", lag <= LAG_ROWS)


def _digests(move: Move, source: Connection, target: Connection) -> Check:
    ok = all_equal(read_sums(target, move.target, Direction.FORWARD)) and all_equal(
        read_sums(source, move.source, Direction.REVERSE)
    )
    return Check("digests", "equal" if ok else "different", "equal", ok)


def _scrubbed(move: Move, target: Connection, within: timedelta) -> Check:
    found = target.execute(sql.SQL(_SCRUB).format(room=sql.Identifier(move.target.room))).fetchone()
    age = found[0] if found else None
    have = "never, or it found differences" if age is None else f"{age:.0f} s ago"
    need = f"clean, at most {within.total_seconds():.0f} s ago"
    return Check("scrub", have, need, age is not None and age <= within.total_seconds())


def _armed(move: Move, source: Connection) -> Check:
    found = source.execute(
        sql.SQL("SELECT count(*) FROM {}.stream WHERE name = 'reverse'").format(
            sql.Identifier(move.source.room)
        )
    ).fetchone()
    ok = bool(found and found[0])
    return Check("reverse stream", "armed" if ok else "missing", "armed", ok)


def _idle(move: Move, source: Connection) -> Check:
    until = time.monotonic() + IDLE_WITHIN
    count, age = _old(move, source)
    while count and time.monotonic() < until:
        time.sleep(IDLE_LOOK)
        count, age = _old(move, source)
    have = f"{count}, the oldest {age * 1000:.0f} ms" if count else "none"
    return Check("open transactions of the module", have, "none older than 50 ms", not count)


def _old(move: Move, source: Connection) -> tuple[int, float]:
    """How many there are now, and the age of the oldest in seconds."""
    schema = sql.Identifier(move.source.schema).as_string(source)
    with as_login(source):
        count, age = row(source, _OLD, [OLD_TRANSACTION, schema])
    return count, age
