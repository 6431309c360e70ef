"""Inventory's bodies and queries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from modules.inventory.domain import MAX_QUANTITY
from modules.platform.rest.identifiers import ids
from modules.platform.rest.pagination import ListQuery, Query

warehouse_ids = ids("wh")
reservation_ids = ids("res")
movement_ids = ids("mov")
order_ids = ids("ord")

Sku = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\s/]+$")]
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9_-]+$")]
Reason = Annotated[str, msgspec.Meta(min_length=3, max_length=500)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Country = Annotated[str, msgspec.Meta(max_length=2, pattern=r"^([A-Z]{2})?$")]
Level = Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=MAX_QUANTITY)]
Delta = Annotated[int, msgspec.Meta(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
Threshold = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Priority = Annotated[int, msgspec.Meta(ge=0, le=32_000)]
Filter = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
OptionalCode = Annotated[str, msgspec.Meta(max_length=40)]
OptionalSku = Annotated[str, msgspec.Meta(max_length=64)]


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request's body."""


class AvailabilityView(msgspec.Struct, kw_only=True):
    """What anybody may know of a SKU's stock."""

    sku: str
    available: int
    backorderable: bool
    in_stock: bool


class ShelfView(msgspec.Struct, kw_only=True):
    """One SKU in one warehouse. ``shortfall``: promised before a count found it missing."""

    warehouse: str
    on_hand: int
    reserved: int
    allocated: int
    available: int
    shortfall: int
    active: bool


class StockView(AvailabilityView, kw_only=True):
    """A SKU's stock. All but availability is for staff and left out for others."""

    on_hand: int | msgspec.UnsetType = msgspec.UNSET
    reserved: int | msgspec.UnsetType = msgspec.UNSET
    allocated: int | msgspec.UnsetType = msgspec.UNSET
    low_threshold: int | msgspec.UnsetType = msgspec.UNSET
    warehouses: list[ShelfView] | msgspec.UnsetType = msgspec.UNSET


class StockRowView(ShelfView, kw_only=True):
    """A row of the stock list."""

    sku: str
    backorderable: bool
    low_threshold: int
    updated_at: datetime


class StockQuery(ListQuery, kw_only=True):
    """Filters of the stock list. ``low``: at or below the SKU's threshold."""

    sku: OptionalSku = ""
    warehouse: OptionalCode = ""
    available__lte: Filter | None = None
    available__gte: Filter | None = None
    low: bool | None = None
    shortfall: bool | None = None


class ManyQuery(Query, kw_only=True):
    """The SKUs asked for, separated by commas."""

    skus: Annotated[tuple[Sku, ...], msgspec.Meta(min_length=1, max_length=100)]


class ManyView(msgspec.Struct, kw_only=True):
    """Availability of those SKUs that are known, in the order asked for."""

    data: list[AvailabilityView]


class StockChange(Body, kw_only=True):
    """What to change of a SKU; what is left out stays. ``on_hand`` is of one ``warehouse``."""

    reason: Reason
    warehouse: Code = "main"
    on_hand: Level | None = None
    backorderable: bool | None = None
    low_threshold: Threshold | None = None


class Adjustment(Body, kw_only=True):
    """So many pieces more (or, negative, fewer) in one warehouse."""

    sku: Sku
    delta: Delta
    reason: Reason
    warehouse: Code = "main"


class AdjustmentView(msgspec.Struct, kw_only=True):
    """What is on hand after an adjustment."""

    sku: str
    warehouse: str
    on_hand: int


class LineBody(Body, kw_only=True):
    """So many of a SKU."""

    sku: Sku
    quantity: Quantity


class CountBody(Body, kw_only=True):
    """How many of a SKU were counted."""

    sku: Sku
    counted: Level


class TransferBody(Body, kw_only=True):
    """Free goods from one warehouse to another."""

    source: Code
    target: Code
    lines: Annotated[list[LineBody], msgspec.Meta(min_length=1, max_length=500)]
    reason: Reason


class TransferView(msgspec.Struct, kw_only=True):
    """A transfer that was booked; its movements carry the ``document``."""

    document: str
    source: str
    target: str
    lines: list[LineBody]


class StocktakeBody(Body, kw_only=True):
    """What was counted in one warehouse; SKUs left out stay as they are."""

    warehouse: Code
    counts: Annotated[list[CountBody], msgspec.Meta(min_length=1, max_length=1_000)]
    reason: Reason


class CountedView(msgspec.Struct, kw_only=True):
    """A counted SKU. ``difference`` is counted - booked."""

    sku: str
    booked: int
    counted: int
    difference: int


class StocktakeView(msgspec.Struct, kw_only=True):
    """A stocktake that was booked."""

    document: str
    warehouse: str
    lines: list[CountedView]


class WarehouseBody(Body, kw_only=True):
    """A new warehouse. The lowest priority is asked first."""

    code: Code
    name: Name
    country: Country = ""
    priority: Priority = 100


class WarehouseChange(Body, kw_only=True):
    """What to change of a warehouse; what is left out stays."""

    name: Name | None = None
    priority: Priority | None = None
    active: bool | None = None


class WarehouseView(msgspec.Struct, kw_only=True):
    """A warehouse."""

    id: str
    code: str
    name: str
    country: str
    priority: int
    active: bool


class MovementQuery(ListQuery, kw_only=True):
    """Filters of the ledger."""

    sku: OptionalSku = ""
    warehouse: OptionalCode = ""
    order_id: Annotated[str, msgspec.Meta(max_length=40)] = ""


class MovementView(msgspec.Struct, kw_only=True):
    """An entry of the ledger: by how much each counter changed."""

    id: str
    sku: str
    warehouse: str
    kind: str
    on_hand: int
    reserved: int
    allocated: int
    order_id: str | None
    document: str | None
    reason: str
    actor: str
    at: datetime


class ReservationLineView(msgspec.Struct, kw_only=True):
    """So many of a SKU set aside or sent."""

    sku: str
    quantity: int


class ReservationView(msgspec.Struct, kw_only=True):
    """What is set aside for an order."""

    id: str
    order_id: str
    state: str
    lines: list[ReservationLineView]
    expires_at: datetime


class Release(Body, kw_only=True):
    """Why the order's stock is given back."""

    reason: Reason
