"""Deliveries as other modules see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from modules.platform.contracts import Money, PostalAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is to be delivered: total weight and goods value decide the rate."""

    weight_grams: int
    value: Money
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingQuote:
    """What one method would cost and when it would arrive."""

    method: str
    name: str
    price: Money
    tax_basis_points: int
    earliest: date
    latest: date


class ShipmentState(StrEnum):
    """Where a shipment stands."""

    PENDING = "pending"
    PICKING = "picking"
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentLine:
    """So many of one SKU in a shipment."""

    sku: str
    name: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """One parcel of an order. ``on_hold``: it does not leave until its order is reviewed."""

    id: UUID
    order_id: UUID
    owner: str
    state: ShipmentState
    method: str
    address: PostalAddress
    lines: tuple[ShipmentLine, ...]
    tracking_number: str
    tracking_url: str
    created_at: datetime
    dispatched_at: datetime | None
    delivered_at: datetime | None
    version: int
    on_hold: bool = False
