"""Shipping's use cases, each one transaction; ``ShippingService`` answers the port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from modules.platform.contracts import PostalAddress
from modules.platform.databases import atomic
from modules.shipping import queries
from modules.shipping.contract import (
    CancelShipments,
    NotDeliverable,
    Parcel,
    Shipment,
    ShipmentLine,
    ShipmentState,
    ShippingQuote,
)
from modules.shipping.service import cancelling, parcels, tariff

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class ShippingService:
    """Answers the port, and the use cases of the module's own REST and admin pages."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self.now = clock

    def quotes(self, *, address: PostalAddress, parcel: Parcel) -> tuple[ShippingQuote, ...]:
        found = tariff.current().quotes(address, parcel, now=self.now())
        if not found:
            raise NotDeliverable(country=address.country)
        return found

    def shipments(self, *, order_ids: tuple[UUID, ...]) -> tuple[Shipment, ...]:
        return queries.shipments_of(order_ids)

    def cancel(self, command: CancelShipments) -> None:
        with atomic("shipping"):
            cancelling.cancel(command, now=self.now())

    def split(
        self, *, shipment_id: UUID, lines: Sequence[ShipmentLine], expected_version: int | None
    ) -> UUID:
        """Put ``lines`` into a shipment of their own; its id."""
        with atomic("shipping"):
            return parcels.split(shipment_id, lines, expected_version=expected_version)

    def start_picking(self, *, shipment_id: UUID) -> None:
        """Somebody has begun to collect the shipment's goods."""
        with atomic("shipping"):
            parcels.move_on(shipment_id, ShipmentState.PICKING)

    def dispatch(
        self,
        *,
        shipment_id: UUID,
        tracking_number: str = "",
        lines: Sequence[ShipmentLine] = (),
        expected_version: int | None = None,
    ) -> None:
        """The parcel has left, whole or with ``lines``; the rest waits in a new shipment."""
        with atomic("shipping"):
            parcels.dispatch(
                shipment_id,
                tracking_number=tracking_number,
                lines=lines,
                expected_version=expected_version,
                now=self.now(),
            )

    def deliver(self, *, shipment_id: UUID, expected_version: int | None = None) -> None:
        """The parcel has arrived."""
        with atomic("shipping"):
            parcels.deliver(shipment_id, expected_version=expected_version, now=self.now())

    def cancel_shipment(self, *, shipment_id: UUID, reason: str) -> None:
        """Do not send this one shipment."""
        with atomic("shipping"):
            cancelling.cancel_one(shipment_id, reason=reason)
