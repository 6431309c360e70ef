"""Reads of stock and reservations."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connections

from modules.inventory.contract import (
    Availability,
    Reservation,
    ReservationNotFound,
    TooManyAtOnce,
)
from modules.inventory.service.holds import find
from modules.platform.databases import alias_of

MOST = 500  # SKUs a call

# What can be promised is added up per warehouse, as reservations take it: a backorder in one
# does not lessen what another has. Closed warehouses promise nothing.
_AVAILABILITY = """
SELECT s.sku, sum(s.on_hand)::bigint, sum(s.reserved)::bigint, sum(s.allocated)::bigint,
       sum(CASE WHEN w.active THEN greatest(s.on_hand - s.reserved - s.allocated, 0) ELSE 0 END
       )::bigint,
       bool_or(s.backorderable AND w.active), sum(s.version + w.version)::bigint
FROM inventory_stock s JOIN inventory_warehouse w ON w.id = s.warehouse_id
WHERE s.sku = ANY(%s) GROUP BY s.sku
"""


def availability(skus: Sequence[str]) -> tuple[Availability, ...]:
    """What can be promised of those of ``skus`` that are known: one query. Raises TooManyAtOnce."""
    if len(skus) > MOST:
        raise TooManyAtOnce(given=len(skus), most=MOST)
    if not skus:
        return ()
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(_AVAILABILITY, [list(skus)])
        return tuple(
            Availability(
                sku=row[0],
                on_hand=row[1],
                reserved=row[2],
                allocated=row[3],
                available=row[4],
                backorderable=row[5],
                version=row[6],
            )
            for row in cursor.fetchall()
        )


def reservation(order_id: UUID) -> Reservation:
    """The order's reservation. Raises ReservationNotFound."""
    for held in find([order_id]):
        return held.as_reservation()
    raise ReservationNotFound(order_id=order_id)
