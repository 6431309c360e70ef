"""Warehouses: looked up by code, made and changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connections

from modules.inventory.contract import (
    StockRanOut,
    StockReturned,
    UnknownWarehouse,
    WarehouseExists,
)
from modules.inventory.domain import MAIN
from modules.inventory.models import Warehouse
from modules.platform.contracts import StaleVersion
from modules.platform.databases import alias_of, atomic
from modules.platform.messaging import publish

# SKUs that can be promised from this warehouse and from no other open one.
_ONLY_HERE = """
SELECT s.sku, greatest(s.on_hand - s.reserved - s.allocated, 0) FROM inventory_stock s
WHERE s.warehouse_id = %s AND (s.backorderable OR s.on_hand > s.reserved + s.allocated)
  AND NOT EXISTS (
      SELECT 1 FROM inventory_stock o JOIN inventory_warehouse w ON w.id = o.warehouse_id
      WHERE o.sku = s.sku AND o.warehouse_id <> %s AND w.active
        AND (o.backorderable OR o.on_hand > o.reserved + o.allocated))
ORDER BY s.sku
"""


def ids_of(codes: Iterable[str]) -> dict[str, UUID]:
    """Code to id. Raises UnknownWarehouse."""
    asked = set(codes)
    found = dict(Warehouse.objects.filter(code__in=asked).values_list("code", "id"))
    for code in sorted(asked - set(found)):
        raise UnknownWarehouse(warehouse=code)
    return found


def made(codes: Iterable[str]) -> dict[str, UUID]:
    """Code to id; those that are missing are created, named by their code."""
    asked = set(codes)
    found = dict(Warehouse.objects.filter(code__in=asked).values_list("code", "id"))
    missing = sorted(asked - set(found))
    if not missing:
        return found
    Warehouse.objects.bulk_create(
        [Warehouse(code=code, **_defaults(code)) for code in missing], ignore_conflicts=True
    )
    return ids_of(asked)


def open_main() -> None:
    """Make the main warehouse unless it is there."""
    made([MAIN])


def create(*, code: str, name: str, country: str = "", priority: int = 100) -> Warehouse:
    """A new warehouse. Raises WarehouseExists."""
    try:
        with atomic("inventory"):
            return Warehouse.objects.create(
                code=code, name=name, country=country, priority=priority
            )
    except IntegrityError as error:
        raise WarehouseExists(warehouse=code) from error


def change(
    code: str,
    *,
    expected_version: int | None = None,
    name: str | None = None,
    priority: int | None = None,
    active: bool | None = None,
) -> Warehouse:
    """Rename, reorder, open or close a warehouse. Raises UnknownWarehouse, StaleVersion.

    Closing one takes its stock out of what can be promised; promises made stand.
    """
    with atomic("inventory"):
        warehouse = Warehouse.objects.select_for_update().filter(code=code).first()
        if warehouse is None:
            raise UnknownWarehouse(warehouse=code)
        if expected_version not in (None, warehouse.version):
            raise StaleVersion(expected=expected_version or 0, actual=warehouse.version)
        if active is not None and active is not warehouse.active:
            _tell_followers(warehouse, opens=active)
        warehouse.name = warehouse.name if name is None else name
        warehouse.priority = warehouse.priority if priority is None else priority
        warehouse.active = warehouse.active if active is None else active
        warehouse.version += 1
        warehouse.save()
    return warehouse


def _defaults(code: str) -> dict[str, Any]:
    if code == MAIN:
        return {"name": "Main warehouse", "priority": 10}  # asked before those that come later
    return {"name": code.capitalize()}


def _tell_followers(warehouse: Warehouse, *, opens: bool) -> None:
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(_ONLY_HERE, [warehouse.id, warehouse.id])
        rows = cursor.fetchall()
    if rows and opens:
        publish(*(StockReturned(sku=sku, available=free) for sku, free in rows))
    elif rows:
        publish(*(StockRanOut(sku=sku) for sku, _ in rows))
