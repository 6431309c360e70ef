"""Holds that ran out: found and given back, a batch in one transaction."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connections

from modules.inventory.service import holds, reservations
from modules.platform.databases import alias_of, atomic

BATCH = 50  # holds a transaction: few commits, and hot stock rows are locked for milliseconds

# SKIP LOCKED: what somebody is allocating or releasing now is not ours. An order with news that
# is not settled yet is not expired: it may have been confirmed.
_DUE = """
SELECT r.order_id FROM inventory_reservation r
WHERE r.state = 'held' AND r.expires_at <= %s
  AND NOT EXISTS (SELECT 1 FROM inventory_notice n WHERE n.order_id = r.order_id)
ORDER BY r.expires_at LIMIT %s FOR UPDATE OF r SKIP LOCKED
"""


def expire_due(*, now: datetime, limit: int = 5_000) -> int:
    """Give back holds whose time is up, at most ``limit``; how many."""
    total = 0
    while total < limit:
        done = _expire_batch(now)
        total += done
        if done < BATCH:
            break
    return total


def _expire_batch(now: datetime) -> int:
    with atomic("inventory"):
        order_ids = _due(now)
        if order_ids:
            reservations.expire(holds.find(order_ids), now=now)
        return len(order_ids)


def _due(now: datetime) -> list[UUID]:
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(_DUE, [now, BATCH])
        return [order_id for (order_id,) in cursor.fetchall()]
