"""What orders hears, and what it does about it: rows only, calls are left to sagas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from modules.accounts.contract import EmailVerified
from modules.inventory.contract import AllocationFailed, ReservationExpired
from modules.orders.service import claims, lifecycle
from modules.payment.contract import (
    CaptureFailed,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentUnclaimed,
    PaymentVoided,
)
from modules.platform.contracts import Event
from modules.platform.sagas.clock import utc_now
from modules.shipping.contract import ShipmentCancelled, ShipmentDelivered, ShipmentDispatched


def confirm_on_authorized(event: PaymentAuthorized) -> None:
    lifecycle.payment_authorized(event.order_id)


def undo_on_declined(event: PaymentDeclined) -> None:
    lifecycle.payment_declined(event.order_id, code=event.decline_code)


def note_capture(event: PaymentCaptured) -> None:
    lifecycle.payment_captured(event.order_id)


def note_void(event: PaymentVoided) -> None:
    lifecycle.payment_voided(event.order_id, reason=event.reason)


def note_refund(event: PaymentRefunded) -> None:
    lifecycle.payment_refunded(event.order_id, refunded=event.refunded)


def review_on_capture_failed(event: CaptureFailed) -> None:
    lifecycle.capture_failed(event.order_id, reason=event.reason)


def settle_unclaimed(event: PaymentUnclaimed) -> None:
    lifecycle.payment_unclaimed(event.order_id, payment_id=event.payment_id)


def note_dispatch(event: ShipmentDispatched) -> None:
    lifecycle.shipment_dispatched(
        event.order_id, complete=event.complete, tracking=event.tracking_number
    )


def note_delivery(event: ShipmentDelivered) -> None:
    lifecycle.shipment_delivered(event.order_id, complete=event.complete)


def note_shipment_cancelled(event: ShipmentCancelled) -> None:
    lifecycle.shipment_cancelled(event.order_id, reason=event.reason)


def undo_on_expired(event: ReservationExpired) -> None:
    lifecycle.reservation_expired(event.order_id)


def review_on_allocation_failed(event: AllocationFailed) -> None:
    lifecycle.allocation_failed(event.order_id, shortages=event.shortages)


def claim_on_verified(event: EmailVerified) -> None:
    claims.prove(email=event.email, customer_id=event.customer_id, now=utc_now())


HANDLERS: Mapping[type[Event], Sequence[Callable[[Any], None]]] = {
    AllocationFailed: [review_on_allocation_failed],
    CaptureFailed: [review_on_capture_failed],
    EmailVerified: [claim_on_verified],
    PaymentAuthorized: [confirm_on_authorized],
    PaymentCaptured: [note_capture],
    PaymentDeclined: [undo_on_declined],
    PaymentRefunded: [note_refund],
    PaymentUnclaimed: [settle_unclaimed],
    PaymentVoided: [note_void],
    ReservationExpired: [undo_on_expired],
    ShipmentCancelled: [note_shipment_cancelled],
    ShipmentDelivered: [note_delivery],
    ShipmentDispatched: [note_dispatch],
}
