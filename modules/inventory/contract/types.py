"""Stock as other modules see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """What can be promised of one SKU over all warehouses.

    ``available`` = on hand - reserved - allocated, never below 0; ``backorderable`` SKUs may be
    ordered beyond it. ``version`` grows with each change.
    """

    sku: str
    on_hand: int
    reserved: int
    allocated: int
    available: int
    backorderable: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLine:
    """So many of one SKU. Quantity is at least 1."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """So many of one SKU, from one warehouse's shelves."""

    sku: str
    quantity: int
    warehouse: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """How far a request went beyond what can be promised."""

    sku: str
    requested: int
    available: int


class ReservationState(StrEnum):
    """Where a reservation stands."""

    HELD = "held"
    ALLOCATED = "allocated"
    DISPATCHED = "dispatched"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Stock set aside for one order (one reservation an order).

    ``lines`` are what is still held, allocated or sent: what was given back is off them.
    """

    id: UUID
    order_id: UUID
    state: ReservationState
    lines: tuple[StockLine, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLevel:
    """What a warehouse is to hold of one SKU from now on."""

    sku: str
    on_hand: int
    warehouse: str = "main"
