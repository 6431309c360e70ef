"""What notification does about what happened elsewhere. Handlers only write rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from modules.accounts.contract import CustomerRegistered
from modules.notification import contacts
from modules.notification.domain import REFUND_PATIENCE, TemplateName
from modules.notification.queueing import Draft, queue
from modules.orders.contract import (
    OrderCancelled,
    OrderConfirmed,
    OrderFailed,
    OrderPartiallyCancelled,
    OrderReturned,
)
from modules.payment.contract import PaymentRefunded
from modules.platform.contracts import Event
from modules.platform.contracts.codec import encode
from modules.platform.messaging import current_envelope
from modules.shipping.contract import ShipmentDispatched

Told = OrderConfirmed | OrderCancelled | OrderPartiallyCancelled | OrderFailed | OrderReturned


def welcome(event: CustomerRegistered) -> None:
    """Greet a new customer."""
    draft = Draft(
        source=_source(),
        template=TemplateName.WELCOME,
        recipient=event.email,
        owner=f"customer:{event.customer_id}",
        locale=event.locale,
        variables=encode(event).decode(),
    )
    queue(draft, now=datetime.now(UTC), hooks=True)


def tell_confirmed(event: OrderConfirmed) -> None:
    """Remember whom the order's messages go to, and confirm it."""
    contacts.keep(
        order_id=event.order_id,
        number=event.number,
        owner=event.owner,
        email=event.email,
        locale=event.locale,
    )
    _tell(TemplateName.ORDER_CONFIRMED, event)


def tell_failed(event: OrderFailed) -> None:
    """Say that the order was not placed."""
    _tell(TemplateName.ORDER_FAILED, event)


def tell_cancelled(event: OrderCancelled) -> None:
    """Say that the order is cancelled, and what goes back."""
    contacts.tell_refund(order_id=event.order_id, amount=event.refunded)
    _tell(TemplateName.ORDER_CANCELLED, event)


def tell_partly_cancelled(event: OrderPartiallyCancelled) -> None:
    """Say which lines are cancelled, and what goes back."""
    contacts.tell_refund(order_id=event.order_id, amount=event.refunded)
    _tell(TemplateName.ORDER_PARTLY_CANCELLED, event)


def tell_returned(event: OrderReturned) -> None:
    """Say that the goods are back, and what goes back for them."""
    contacts.tell_refund(order_id=event.order_id, amount=event.refunded)
    _tell(TemplateName.ORDER_RETURNED, event)


def tell_shipped(event: ShipmentDispatched) -> None:
    """Say that a parcel left. Raises ContactUnknown, so that the bus tries again."""
    _tell_contact(TemplateName.ORDER_SHIPPED, event, event.order_id)


def tell_refunded(event: PaymentRefunded) -> None:
    """Say that money went back, unless the order's own message says so by then.

    A cancellation or return publishes both events, in either order; so this message waits a
    moment and the sender drops it when the amount has been told. Raises ContactUnknown.
    """
    not_before = datetime.now(UTC) + REFUND_PATIENCE
    _tell_contact(TemplateName.ORDER_REFUNDED, event, event.order_id, not_before)


def _tell(template: TemplateName, event: Told) -> None:
    draft = Draft(
        source=_source(),
        template=template,
        recipient=event.email,
        owner=event.owner,
        order_id=event.order_id,
        locale=event.locale,
        variables=encode(event).decode(),
    )
    queue(draft, now=datetime.now(UTC), hooks=True)


def _tell_contact(
    template: TemplateName, event: Event, order_id: UUID, not_before: datetime | None = None
) -> None:
    contact = contacts.of_order(order_id)
    variables = msgspec.to_builtins(event) | {"number": contact.number}
    draft = Draft(
        source=_source(),
        template=template,
        recipient=contact.email,
        owner=contact.owner,
        order_id=order_id,
        locale=contact.locale,
        variables=encode(variables).decode(),
        not_before=not_before,
    )
    queue(draft, now=datetime.now(UTC), hooks=True)


def _source() -> str:
    envelope = current_envelope()
    if envelope is None:
        raise RuntimeError("a handler runs with the envelope of its event")
    return str(envelope.id)


HANDLERS: Mapping[type[Event], Sequence[Callable[[Any], None]]] = {
    CustomerRegistered: [welcome],
    OrderConfirmed: [tell_confirmed],
    OrderCancelled: [tell_cancelled],
    OrderPartiallyCancelled: [tell_partly_cancelled],
    OrderFailed: [tell_failed],
    OrderReturned: [tell_returned],
    PaymentRefunded: [tell_refunded],
    ShipmentDispatched: [tell_shipped],
}
