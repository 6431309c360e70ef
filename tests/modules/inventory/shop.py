"""What inventory's tests arrange with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from django.db import connections

from modules.inventory.contract import ReserveStock, SetStock, StockLevel, StockLine
from modules.inventory.service import InventoryService

inventory = InventoryService()


def lines(**quantities: int) -> tuple[StockLine, ...]:
    """``lines(a=2)`` is two of SKU a."""
    return tuple(StockLine(sku=sku, quantity=quantity) for sku, quantity in quantities.items())


def stocked(warehouse: str = "main", **levels: int) -> None:
    """Put SKUs at levels in a warehouse (made when missing)."""
    given = tuple(StockLevel(sku=s, on_hand=q, warehouse=warehouse) for s, q in levels.items())
    inventory.set_stock(SetStock(levels=given, reason="test", idempotency_key=str(uuid4())))


def reserving(
    order_id: UUID | None = None, *, minutes: float = 15, key: str = "", **quantities: int
) -> ReserveStock:
    """A command to reserve for a new order."""
    order = order_id or uuid4()
    return ReserveStock(
        order_id=order,
        lines=lines(**quantities),
        expires_at=datetime.now(UTC) + timedelta(minutes=minutes),
        idempotency_key=key or f"order:{order}",
    )


def counters(sku: str, warehouse: str = "main") -> tuple[int, int, int]:
    """On hand, reserved and allocated."""
    return shelf(sku, warehouse)[:3]


def shelf(sku: str, warehouse: str = "main") -> tuple[int, ...]:
    """On hand, reserved, allocated and shortfall."""
    with connections["inventory"].cursor() as cursor:
        cursor.execute(
            "SELECT on_hand, reserved, allocated, shortfall FROM inventory_stock s "
            "JOIN inventory_warehouse w ON w.id = s.warehouse_id WHERE sku = %s AND code = %s",
            [sku, warehouse],
        )
        row = cursor.fetchone()
        assert row is not None, f"no stock of {sku} in {warehouse}"
        return tuple(row)


def published(kind: type) -> list[Mapping[str, object]]:
    """The payloads of inventory's events of ``kind``, in order."""
    import json

    name = kind.type_name().rpartition(".v")[0]  # type: ignore[attr-defined]
    with connections["inventory"].cursor() as cursor:
        cursor.execute("SELECT payload::text FROM bus_outbox WHERE type = %s ORDER BY id", [name])
        return [json.loads(text) for (text,) in cursor.fetchall()]
