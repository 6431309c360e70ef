"""The proof that the books are right: counters equal the ledger, and the open reservations."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connections

from modules.platform.databases import alias_of

MOST = 1_000  # differences reported; more of them tell nothing new

# One statement each, so one snapshot: nothing moves between the two sides.
_LEDGER = """
SELECT coalesce(s.sku, m.sku), w.code, c.counter, c.booked, c.summed
FROM (SELECT sku, warehouse_id, on_hand, reserved, allocated FROM inventory_stock) s
FULL JOIN (
    SELECT sku, warehouse_id, sum(on_hand) AS on_hand, sum(reserved) AS reserved,
           sum(allocated) AS allocated
    FROM inventory_movement GROUP BY sku, warehouse_id
) m ON m.sku = s.sku AND m.warehouse_id = s.warehouse_id
JOIN inventory_warehouse w ON w.id = coalesce(s.warehouse_id, m.warehouse_id)
CROSS JOIN LATERAL (VALUES
    ('on_hand', coalesce(s.on_hand, 0), coalesce(m.on_hand, 0)),
    ('reserved', coalesce(s.reserved, 0), coalesce(m.reserved, 0)),
    ('allocated', coalesce(s.allocated, 0), coalesce(m.allocated, 0))
) AS c (counter, booked, summed)
WHERE c.booked <> c.summed ORDER BY 1, 2, 3 LIMIT %s
"""
_PROMISES = """
SELECT coalesce(s.sku, p.sku), w.code, c.counter, c.booked, c.summed
FROM (SELECT sku, warehouse_id, reserved, allocated FROM inventory_stock
      WHERE reserved <> 0 OR allocated <> 0) s
FULL JOIN (
    SELECT l.sku, l.warehouse_id,
           sum(l.quantity - l.released - l.dispatched) FILTER (WHERE r.state = 'held') AS reserved,
           sum(l.quantity - l.released - l.dispatched) FILTER (WHERE r.state <> 'held') AS allocated
    FROM inventory_reservationline l JOIN inventory_reservation r ON r.id = l.reservation_id
    WHERE l.quantity <> l.released + l.dispatched GROUP BY l.sku, l.warehouse_id
) p ON p.sku = s.sku AND p.warehouse_id = s.warehouse_id
JOIN inventory_warehouse w ON w.id = coalesce(s.warehouse_id, p.warehouse_id)
CROSS JOIN LATERAL (VALUES
    ('promised as reserved', coalesce(s.reserved, 0), coalesce(p.reserved, 0)),
    ('promised as allocated', coalesce(s.allocated, 0), coalesce(p.allocated, 0))
) AS c (counter, booked, summed)
WHERE c.booked <> c.summed ORDER BY 1, 2, 3 LIMIT %s
"""
_SIZE = """
SELECT (SELECT count(*) FROM inventory_stock), (SELECT count(*) FROM inventory_movement),
       (SELECT count(*) FROM inventory_stock WHERE shortfall > 0)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A counter that is not what it should be. ``proved`` is what the other side adds up to."""

    sku: str
    warehouse: str
    counter: str
    booked: int
    proved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was looked at and what was found."""

    rows: int
    movements: int
    shortfalls: int
    differences: tuple[Difference, ...]

    @property
    def has_differences(self) -> bool:
        return bool(self.differences)


def audit() -> Audit:
    """Compare every counter with the ledger and with the open reservations."""
    with connections[alias_of("inventory")].cursor() as cursor:
        found = []
        for sql in (_LEDGER, _PROMISES):
            cursor.execute(sql, [MOST])
            found += cursor.fetchall()
        cursor.execute(_SIZE)
        rows, movements, shortfalls = cursor.fetchone()
    return Audit(
        rows=rows,
        movements=movements,
        shortfalls=shortfalls,
        differences=tuple(
            Difference(
                sku=sku, warehouse=code, counter=counter, booked=int(booked), proved=int(proved)
            )
            for sku, code, counter, booked, proved in found
        ),
    )
