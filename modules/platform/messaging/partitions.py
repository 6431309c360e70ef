"""The outbox's partitions: made ahead, dropped when nobody needs them any more."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import InternalError, OperationalError

from modules.platform.databases import atomic
from modules.platform.messaging.database import execute, row, rows

log = structlog.get_logger(__name__)

SIZE = 1_000_000  # events per partition
AHEAD = 3  # partitions above the head: hours at 1,000 events/s, should maintenance stop
RETENTION = timedelta(days=7)  # what a new consumer can replay

# Acknowledged: every live subscription stands behind the partition's end. An idle one has looked
# at everything up to `sent`.
_DROPPABLE = """
WITH parts AS (
    SELECT name, substring(bounds FROM $x$FROM \\('(\\d+)'\\)$x$)::bigint AS low,
           substring(bounds FROM $x$TO \\('(\\d+)'\\)$x$)::bigint AS high
    FROM (SELECT c.oid::regclass::text AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
          FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'bus_outbox'::regclass) bounded
)
SELECT name, low, high FROM parts
WHERE high - 1 <= least(bus_horizon(), (
    SELECT min(CASE WHEN sent_at IS NULL THEN sent ELSE acked END)
    FROM bus_subscription WHERE state <> 'ended'))
ORDER BY low
"""
_OLD = """
SELECT max(created_at) < clock_timestamp() - %s::interval FROM bus_outbox
WHERE id >= %s AND id < %s
"""


def make_ahead(module: str, *, size: int = SIZE, ahead: int = AHEAD) -> int:
    """Make partitions until ``ahead`` of them lie above the head; how many were made."""
    found = row(module, "SELECT bus_make_partitions(%s, %s)", [size, ahead])
    return int(found[0]) if found else 0


def drop_acknowledged(module: str, *, retention: timedelta = RETENTION) -> list[str]:
    """Drop the oldest partitions that all live subscriptions have acknowledged and whose newest
    event is older than ``retention``; their names.
    """
    dropped = []
    for name, low, high in rows(module, _DROPPABLE):
        old = row(module, _OLD, [retention, low, high])
        if old is not None and old[0] is False:
            break
        if not _drop(module, name):
            break
        dropped.append(name)
    return dropped


def _drop(module: str, name: str) -> bool:
    """Drop one partition; False when somebody reads the outbox: next time, then.

    Publishers queue behind the drop, so it waits 50 ms for its lock and no longer. While the
    module moves to another database its partitions are pinned: the other copy would miss it.
    """
    try:
        with atomic(module):
            execute(module, "SET LOCAL lock_timeout = '50ms'")
            execute(module, f"DROP TABLE {name}")
    except (OperationalError, InternalError) as error:
        reason = str(error).partition("\n")[0]
        log.info("bus.partition_kept", module=module, partition=name, reason=reason)
        return False
    log.info("bus.partition_dropped", module=module, partition=name)
    return True
