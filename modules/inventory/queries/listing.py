"""Lists and details for staff: stock per warehouse, warehouses, the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db.models import F, QuerySet

from modules.inventory.contract import UnknownWarehouse
from modules.inventory.models import Movement, Stock, Warehouse
from modules.platform.rest.pagination import keyset

T = TypeVar("T")
Listed = tuple[list[T], str | None, str | None]  # rows, next cursor, previous cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class StockRow:
    """One SKU in one warehouse. ``available`` is 0 where the warehouse is closed."""

    sku: str
    warehouse: str
    active: bool
    on_hand: int
    reserved: int
    allocated: int
    available: int
    shortfall: int
    backorderable: bool
    low_threshold: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseRow:
    """A warehouse. ``version`` is its ETag."""

    id: UUID
    code: str
    name: str
    country: str
    priority: int
    active: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementRow:
    """An entry of the ledger."""

    id: UUID
    sku: str
    warehouse: str
    kind: str
    on_hand: int
    reserved: int
    allocated: int
    order_id: UUID | None
    document_id: UUID | None
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StockFilter:
    """What the stock list is to show; None and empty mean everything."""

    sku: str = ""
    warehouse: str = ""
    available_lte: int | None = None
    available_gte: int | None = None
    low: bool | None = None
    shortfall: bool | None = None


def stock_page(wanted: StockFilter, *, cursor: str = "", limit: int = 100) -> Listed[StockRow]:
    """Stock rows by SKU and warehouse. One query."""
    rows, after, before = keyset(
        _filtered(wanted), order=("sku", "warehouse_id"), cursor=cursor, limit=limit
    )
    return [_stock(row) for row in rows], after, before


def warehouse_page(*, cursor: str = "", limit: int = 100) -> Listed[WarehouseRow]:
    """Warehouses in the order in which they are asked."""
    rows, after, before = keyset(
        Warehouse.objects.all(), order=("priority", "code"), cursor=cursor, limit=limit
    )
    return [_warehouse(row) for row in rows], after, before


def warehouse(code: str) -> WarehouseRow:
    """One warehouse. Raises UnknownWarehouse."""
    row = Warehouse.objects.filter(code=code).first()
    if row is None:
        raise UnknownWarehouse(warehouse=code)
    return _warehouse(row)


def movement_page(
    *,
    sku: str = "",
    warehouse: str = "",
    order_id: UUID | None = None,
    cursor: str = "",
    limit: int = 100,
) -> Listed[MovementRow]:
    """The ledger's entries, newest first. One query."""
    rows = Movement.objects.select_related("warehouse")
    if sku:
        rows = rows.filter(sku=sku)
    if warehouse:
        rows = rows.filter(warehouse__code=warehouse)
    if order_id:
        rows = rows.filter(order_id=order_id)
    found, after, before = keyset(rows, order=("-id",), cursor=cursor, limit=limit)
    return [_movement(row) for row in found], after, before


def _filtered(wanted: StockFilter) -> QuerySet[Stock]:
    rows = Stock.objects.select_related("warehouse").annotate(
        free=F("on_hand") - F("reserved") - F("allocated")
    )
    if wanted.sku:
        rows = rows.filter(sku=wanted.sku)
    if wanted.warehouse:
        rows = rows.filter(warehouse__code=wanted.warehouse)
    if wanted.available_lte is not None:
        rows = rows.filter(free__lte=wanted.available_lte)
    if wanted.available_gte is not None:
        rows = rows.filter(free__gte=wanted.available_gte)
    if wanted.low is not None:
        is_low = {"low_threshold__gt": 0, "free__lte": F("low_threshold")}
        rows = rows.filter(**is_low) if wanted.low else rows.exclude(**is_low)
    if wanted.shortfall is not None:
        rows = rows.filter(shortfall__gt=0) if wanted.shortfall else rows.filter(shortfall=0)
    return rows


def _stock(row: Stock) -> StockRow:
    free = max(row.on_hand - row.reserved - row.allocated, 0)
    return StockRow(
        sku=row.sku,
        warehouse=row.warehouse.code,
        active=row.warehouse.active,
        on_hand=row.on_hand,
        reserved=row.reserved,
        allocated=row.allocated,
        available=free if row.warehouse.active else 0,
        shortfall=row.shortfall,
        backorderable=row.backorderable,
        low_threshold=row.low_threshold,
        updated_at=row.updated_at,
    )


def _warehouse(row: Warehouse) -> WarehouseRow:
    return WarehouseRow(
        id=row.id,
        code=row.code,
        name=row.name,
        country=row.country,
        priority=row.priority,
        active=row.active,
        version=row.version,
    )


def _movement(row: Movement) -> MovementRow:
    return MovementRow(
        id=row.id,
        sku=row.sku,
        warehouse=row.warehouse.code,
        kind=row.kind,
        on_hand=row.on_hand,
        reserved=row.reserved,
        allocated=row.allocated,
        order_id=row.order_id,
        document_id=row.document_id,
        reason=row.reason,
        actor=row.actor,
        at=row.at,
    )
