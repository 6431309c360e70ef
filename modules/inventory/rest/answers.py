"""What inventory knows, as clients see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from modules.inventory.contract import Availability, Reservation
from modules.inventory.queries.listing import MovementRow, StockRow, WarehouseRow
from modules.inventory.rest import serializers as s
from modules.inventory.service.counting import Stocktake


def availability_of(stock: Availability) -> s.AvailabilityView:
    return s.AvailabilityView(
        sku=stock.sku,
        available=stock.available,
        backorderable=stock.backorderable,
        in_stock=stock.available > 0 or stock.backorderable,
    )


def stock_of(stock: Availability, shelves: Sequence[StockRow]) -> s.StockView:
    return s.StockView(
        sku=stock.sku,
        available=stock.available,
        backorderable=stock.backorderable,
        in_stock=stock.available > 0 or stock.backorderable,
        on_hand=stock.on_hand,
        reserved=stock.reserved,
        allocated=stock.allocated,
        low_threshold=max((row.low_threshold for row in shelves), default=0),
        warehouses=[s.ShelfView(**_shelf(row)) for row in shelves],
    )


def stock_row_of(row: StockRow) -> s.StockRowView:
    return s.StockRowView(
        sku=row.sku,
        backorderable=row.backorderable,
        low_threshold=row.low_threshold,
        updated_at=row.updated_at,
        **_shelf(row),
    )


def stocktake_of(done: Stocktake) -> s.StocktakeView:
    return s.StocktakeView(
        document=str(done.id),
        warehouse=done.warehouse,
        lines=[
            s.CountedView(
                sku=line.sku,
                booked=line.booked,
                counted=line.counted,
                difference=line.difference,
            )
            for line in done.lines
        ],
    )


def warehouse_of(row: WarehouseRow) -> s.WarehouseView:
    return s.WarehouseView(
        id=s.warehouse_ids.text(row.id),
        code=row.code,
        name=row.name,
        country=row.country,
        priority=row.priority,
        active=row.active,
    )


def movement_of(row: MovementRow) -> s.MovementView:
    return s.MovementView(
        id=s.movement_ids.text(row.id),
        sku=row.sku,
        warehouse=row.warehouse,
        kind=row.kind,
        on_hand=row.on_hand,
        reserved=row.reserved,
        allocated=row.allocated,
        order_id=s.order_ids.text(row.order_id) if row.order_id else None,
        document=_text(row.document_id),
        reason=row.reason,
        actor=row.actor,
        at=row.at,
    )


def reservation_of(held: Reservation) -> s.ReservationView:
    return s.ReservationView(
        id=s.reservation_ids.text(held.id),
        order_id=s.order_ids.text(held.order_id),
        state=held.state.value,
        lines=[s.ReservationLineView(sku=line.sku, quantity=line.quantity) for line in held.lines],
        expires_at=held.expires_at,
    )


def _shelf(row: StockRow) -> dict[str, Any]:
    return {
        "warehouse": row.warehouse,
        "on_hand": row.on_hand,
        "reserved": row.reserved,
        "allocated": row.allocated,
        "available": row.available,
        "shortfall": row.shortfall,
        "active": row.active,
    }


def _text(value: UUID | None) -> str | None:
    return str(value) if value else None
