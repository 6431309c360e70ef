"""The one place where counters change: lock in SKU order, write with the ledger, tell followers.

Every use case locks all warehouses' rows of its SKUs first, in the order (sku, warehouse), so
none deadlocks with another and totals are exact while it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connections

from modules.inventory.domain import Change, Place, Shelf, sku_events
from modules.platform.contracts import current_context
from modules.platform.databases import alias_of
from modules.platform.messaging import publish
from modules.platform.rest.identifiers import new_id

_LOCK = """
SELECT s.id, s.sku, s.warehouse_id, w.code, w.priority, w.active, s.on_hand, s.reserved,
       s.allocated, s.shortfall, s.backorderable, s.low_threshold, s.version + w.version
FROM inventory_stock s JOIN inventory_warehouse w ON w.id = s.warehouse_id
WHERE s.sku = ANY(%s) ORDER BY s.sku, s.warehouse_id FOR NO KEY UPDATE OF s
"""
# Changes of one row are added up; the row's CHECK refuses what would break a promise. What a
# count finds missing becomes a shortfall, which nothing else can raise.
_WRITE = """
WITH change AS (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(stock_ids)s::uuid[], %(skus)s::text[], %(warehouses)s::uuid[],
        %(kinds)s::text[], %(on_hand)s::bigint[], %(reserved)s::bigint[],
        %(allocated)s::bigint[], %(orders)s::uuid[]
    ) AS c (id, stock_id, sku, warehouse_id, kind, on_hand, reserved, allocated, order_id)
), net AS (
    SELECT stock_id, sum(on_hand)::bigint AS on_hand, sum(reserved)::bigint AS reserved,
           sum(allocated)::bigint AS allocated
    FROM change GROUP BY stock_id
), moved AS (
    UPDATE inventory_stock s SET
        on_hand = s.on_hand + n.on_hand,
        reserved = s.reserved + n.reserved,
        allocated = s.allocated + n.allocated,
        shortfall = CASE WHEN s.backorderable THEN 0 ELSE greatest(0, least(
            s.reserved + n.reserved + s.allocated + n.allocated - s.on_hand - n.on_hand,
            CASE WHEN %(counted)s THEN 9000000000000000000 ELSE s.shortfall END)) END,
        version = s.version + 1,
        updated_at = %(now)s
    FROM net n WHERE s.id = n.stock_id
)
INSERT INTO inventory_movement (id, sku, warehouse_id, kind, on_hand, reserved, allocated,
                                order_id, document_id, reason, actor, at)
SELECT id, sku, warehouse_id, kind, on_hand, reserved, allocated, order_id,
       %(document)s::uuid, %(reason)s, %(actor)s, %(now)s
FROM change
"""
_FILL = """
INSERT INTO inventory_stock (id, sku, warehouse_id, on_hand, reserved, allocated, shortfall,
                             backorderable, low_threshold, version, updated_at)
SELECT g.id, g.sku, g.warehouse_id, 0, 0, 0, 0, coalesce(kin.backorderable, false),
       coalesce(kin.low_threshold, 0), 1, %s
FROM unnest(%s::uuid[], %s::text[], %s::uuid[]) AS g (id, sku, warehouse_id)
LEFT JOIN LATERAL (
    SELECT s.backorderable, s.low_threshold FROM inventory_stock s WHERE s.sku = g.sku LIMIT 1
) kin ON true
ORDER BY g.sku, g.warehouse_id
ON CONFLICT (sku, warehouse_id) DO NOTHING
"""


def lock(skus: Iterable[str]) -> list[Shelf]:
    """The stock rows of ``skus`` in all warehouses, locked until the transaction ends."""
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(_LOCK, [sorted(set(skus))])
        return [_shelf(row) for row in cursor.fetchall()]


def fill(places: Iterable[Place], *, now: datetime) -> None:
    """Make empty stock rows for the places that have none; settings are those of the SKU."""
    missing = sorted(set(places))
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(
            _FILL,
            [
                now,
                [new_id() for _ in missing],
                [sku for sku, _ in missing],
                [warehouse for _, warehouse in missing],
            ],
        )


def write(
    shelves: Sequence[Shelf],
    changes: Sequence[Change],
    *,
    now: datetime,
    reason: str = "",
    document_id: UUID | None = None,
    counted: bool = False,
) -> None:
    """Apply ``changes`` to the locked ``shelves`` and enter them into the ledger.

    ``shelves`` are all rows of the SKUs, as ``lock`` gave them. ``counted``: people have looked,
    so that less than is promised becomes a shortfall. Raises ``IntegrityError`` when a change
    would break a promise or a counter would fall below 0.
    """
    if not changes:
        return
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(
            _WRITE,
            {
                "ids": [new_id() for _ in changes],
                "stock_ids": [change.shelf.stock_id for change in changes],
                "skus": [change.shelf.sku for change in changes],
                "warehouses": [change.shelf.warehouse_id for change in changes],
                "kinds": [change.kind.value for change in changes],
                "on_hand": [change.on_hand for change in changes],
                "reserved": [change.reserved for change in changes],
                "allocated": [change.allocated for change in changes],
                "orders": [change.order_id for change in changes],
                "document": document_id,
                "reason": reason[:500],
                "actor": actor(),
                "counted": counted,
                "now": now,
            },
        )
    _tell(shelves, changes)


def actor() -> str:
    """Who does it, for the ledger."""
    who = current_context().actor
    return (who.label or who.id or who.kind.value)[:200]


def _tell(shelves: Sequence[Shelf], changes: Sequence[Change]) -> None:
    freed: dict[UUID, int] = {}
    for change in changes:
        freed[change.shelf.stock_id] = freed.get(change.shelf.stock_id, 0) + change.freed
    by_sku: dict[str, list[Shelf]] = {}
    for shelf in shelves:
        by_sku.setdefault(shelf.sku, []).append(shelf)
    events = [
        event
        for sku, rows in by_sku.items()
        for event in sku_events(
            sku,
            before=sum(row.free for row in rows),
            after=sum(_free_after(row, freed.get(row.stock_id, 0)) for row in rows),
            threshold=max(row.low_threshold for row in rows),
            backorderable=any(row.backorderable and row.active for row in rows),
        )
    ]
    if events:
        publish(*events)


def _free_after(shelf: Shelf, freed: int) -> int:
    return max(shelf.on_hand - shelf.promised + freed, 0) if shelf.active else 0


def _shelf(row: tuple[object, ...]) -> Shelf:
    return Shelf(**dict(zip(Shelf.__slots__, row, strict=True)))  # type: ignore[arg-type]
