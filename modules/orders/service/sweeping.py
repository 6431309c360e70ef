"""Orders that wait for something that does not come."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connections

from modules.orders.contract import OrderState
from modules.orders.queries import ALIAS
from modules.orders.service.review import flag_for_review
from modules.orders.writing import Entry, move
from modules.platform.databases import atomic

RETURN_WINDOW = timedelta(days=30)  # after the last change of a delivered order
CAPTURE_WITHIN = timedelta(minutes=15)  # payment tries for minutes; then something is wrong
BATCH = 1_000  # orders a sweep

_DELIVERED = """
SELECT id FROM orders_order WHERE state = 'delivered' AND updated_at < %s LIMIT %s
"""
_UNCAPTURED = """
SELECT id FROM orders_order
WHERE state = 'confirmed' AND payment_state = 'authorized' AND updated_at < %s LIMIT %s
"""


def close_delivered(*, now: datetime) -> int:
    """Close delivered orders whose return window is over; how many."""
    found = _ids(_DELIVERED, now - RETURN_WINDOW)
    for order_id in found:
        with atomic("orders"):
            move(
                order_id,
                now=now,
                actor="system",
                to=OrderState.CLOSED,
                sources=(OrderState.DELIVERED,),
                entries=(Entry(kind="closed"),),
            )
    return len(found)


def flag_uncaptured(*, now: datetime) -> int:
    """Flag confirmed orders whose payment was not captured in time; how many."""
    found = _ids(_UNCAPTURED, now - CAPTURE_WITHIN)
    for order_id in found:
        with atomic("orders"):
            flag_for_review(order_id, reason="the payment was not captured", now=now)
    return len(found)


def _ids(sql: str, before: datetime) -> list[UUID]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, [before, BATCH])
        return [row[0] for row in cursor.fetchall()]
