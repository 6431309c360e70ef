"""Events of other modules, as inventory hears them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from modules.orders.contract import OrderCancelled, OrderConfirmed, OrderFailed, OrderLine
from modules.platform.contracts import Event, Money, PostalAddress
from modules.platform.databases import atomic
from modules.platform.messaging import publish
from modules.platform.messaging.testing import drain, letters
from modules.shipping.contract import ShipmentDispatched, ShipmentLine

NOTHING = Money(amount=0, currency="EUR")
ADDRESS = PostalAddress(name="Ada", line1="Weg 1", city="Berlin", country="DE")


def hear(*events: Event) -> None:
    """Publish the events as their modules would, and let the bus and its tasks come to rest."""
    for event in events:
        with atomic(type(event).__module__.split(".")[1]):
            publish(event)
    drain()
    assert letters() == []


def confirmed(order_id: UUID, **quantities: int) -> OrderConfirmed:
    """The order stands."""
    return OrderConfirmed(
        order_id=order_id,
        number="F-1",
        owner="guest:x",
        email="a@b.test",
        locale="en",
        lines=tuple(_line(sku, quantity) for sku, quantity in quantities.items()),
        subtotal=NOTHING,
        discount=NOTHING,
        shipping=NOTHING,
        tax=NOTHING,
        total=NOTHING,
        shipping_method="standard",
        shipping_address=ADDRESS,
        placed_at=datetime.now(UTC),
    )


def cancelled(order_id: UUID) -> OrderCancelled:
    """The order was cancelled."""
    return OrderCancelled(
        order_id=order_id,
        number="F-1",
        owner="guest:x",
        email="a@b.test",
        locale="en",
        reason="changed my mind",
        refunded=NOTHING,
    )


def failed(order_id: UUID) -> OrderFailed:
    """The order could not be placed."""
    return OrderFailed(
        order_id=order_id,
        number="F-1",
        owner="guest:x",
        email="a@b.test",
        locale="en",
        failure_code="payment.declined",
    )


def dispatched(order_id: UUID, *, complete: bool = True, **quantities: int) -> ShipmentDispatched:
    """A parcel of the order left."""
    return ShipmentDispatched(
        order_id=order_id,
        shipment_id=uuid4(),
        lines=tuple(
            ShipmentLine(sku=sku, name=sku, quantity=quantity)
            for sku, quantity in quantities.items()
        ),
        tracking_number="",
        tracking_url="",
        complete=complete,
    )


def _line(sku: str, quantity: int) -> OrderLine:
    return OrderLine(
        sku=sku,
        product_id=uuid4(),
        name=sku,
        quantity=quantity,
        unit_price=NOTHING,
        discount=NOTHING,
        total=NOTHING,
        tax=NOTHING,
        weight_grams=0,
    )
