"""What happened to shipments."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Event
from modules.shipping.contract.types import ShipmentLine


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentDispatched(Event):
    """A parcel left. ``complete``: nothing of the order remains to be sent."""

    KEY = "order_id"
    order_id: UUID
    shipment_id: UUID
    lines: tuple[ShipmentLine, ...]
    tracking_number: str
    tracking_url: str
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentDelivered(Event):
    """A parcel arrived. ``complete``: all parcels of the order have."""

    KEY = "order_id"
    order_id: UUID
    shipment_id: UUID
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentCancelled(Event):
    """A parcel will not be sent."""

    KEY = "order_id"
    order_id: UUID
    shipment_id: UUID
    reason: str
