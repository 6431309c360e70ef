"""Periodic work of carts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from celery import shared_task
from django.db import connections

from modules.platform.databases import alias_of

SCHEDULE = {"cart.sweep": timedelta(hours=1)}
IDLE = timedelta(days=60)  # then a guest's cart, or one that went into another, is forgotten
BATCH = 2_000  # carts a statement, so that locks stay short

# One statement under row locks: a shopper who comes back meanwhile keeps the cart. Foreign keys
# are checked at its end, so lines and carts may go together.
_SWEEP = """
WITH idle AS (
    SELECT id FROM cart_cart
    WHERE (state = 'merged' OR (state = 'open' AND owner LIKE 'guest:%%')) AND updated_at < %s
    LIMIT %s FOR UPDATE SKIP LOCKED
), lines AS (
    DELETE FROM cart_line l USING idle WHERE l.cart_id = idle.id
)
DELETE FROM cart_cart c USING idle WHERE c.id = idle.id
"""


@shared_task(name="cart.sweep")
def sweep() -> int:
    """Forget idle carts of guests; how many."""
    return sweep_idle(now=datetime.now(UTC))


def sweep_idle(*, now: datetime) -> int:
    """Forget carts nobody touched since ``now`` - IDLE; how many."""
    total = 0
    while True:
        with connections[alias_of("cart")].cursor() as cursor:
            cursor.execute(_SWEEP, [now - IDLE, BATCH])
            swept = int(cursor.rowcount)
        total += swept
        if swept < BATCH:
            return total
