"""What other modules may ask of shipping."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from modules.platform.contracts import PostalAddress
from modules.shipping.contract.commands import CancelShipments
from modules.shipping.contract.types import Parcel, Shipment, ShippingQuote


class Shipping(Protocol):
    """Get orders to people."""

    def quotes(self, *, address: PostalAddress, parcel: Parcel) -> tuple[ShippingQuote, ...]:
        """The methods offered, cheapest first. Raises NotDeliverable when there is none."""
        ...

    def cancel(self, command: CancelShipments) -> None:
        """Idempotent. Raises AlreadyDispatched when any of it has left."""
        ...

    def shipments(self, *, order_ids: tuple[UUID, ...]) -> tuple[Shipment, ...]:
        """The shipments of the orders, oldest first. At most 500 orders a call."""
        ...
