"""Orders and parcels that shipping's tests arrange with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connections

from modules.orders.contract import (
    OrderCancelled,
    OrderConfirmed,
    OrderLine,
    OrderNeedsReview,
    OrderReviewed,
)
from modules.platform.contracts import Event, Money, PostalAddress
from modules.platform.databases import atomic
from modules.platform.messaging import publish
from modules.platform.messaging.testing import drain, letters
from modules.shipping.contract import Parcel, Shipment, ShipmentLine
from modules.shipping.handlers import open_on_confirmed
from modules.shipping.service import ShippingService

shipping = ShippingService()
NOTHING = Money(amount=0, currency="EUR")
# Friday; the next business day is Monday.
FRIDAY = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def address(country: str = "US", **fields: str) -> PostalAddress:
    """Somewhere in a country."""
    given = {"name": "Ada", "line1": "Main St 1", "city": "Springfield", **fields}
    return PostalAddress(country=country, **given)


def parcel(grams: int = 1_000, value: int = 1_000, currency: str = "") -> Parcel:
    """A parcel of so many grams and so much worth."""
    money = Money(amount=value, currency=currency or settings.SHOP_CURRENCY)
    return Parcel(weight_grams=grams, value=money, items=1)


def lines(**quantities: int) -> tuple[ShipmentLine, ...]:
    """``lines(a=2)`` is two of SKU a."""
    return tuple(
        ShipmentLine(sku=sku, name=sku.upper(), quantity=n) for sku, n in quantities.items()
    )


def confirmed(
    order_id: UUID | None = None, *, owner: str = "customer:ada", **quantities: int
) -> OrderConfirmed:
    """The order stands."""
    return OrderConfirmed(
        order_id=order_id or uuid4(),
        number="F-1",
        owner=owner,
        email="a@b.test",
        locale="en",
        lines=tuple(_line(sku, quantity) for sku, quantity in quantities.items()),
        subtotal=NOTHING,
        discount=NOTHING,
        shipping=NOTHING,
        tax=NOTHING,
        total=NOTHING,
        shipping_method="standard",
        shipping_address=address(),
        placed_at=datetime.now(UTC),
    )


def cancelled(order_id: UUID) -> OrderCancelled:
    """The order was cancelled."""
    return OrderCancelled(
        order_id=order_id,
        number="F-1",
        owner="customer:ada",
        email="a@b.test",
        locale="en",
        reason="changed my mind",
        refunded=NOTHING,
    )


def flagged(order_id: UUID) -> OrderNeedsReview:
    """Somebody must look at the order."""
    return OrderNeedsReview(order_id=order_id, number="F-1", reason="capture failed")


def reviewed(order_id: UUID) -> OrderReviewed:
    """Somebody has."""
    return OrderReviewed(order_id=order_id, number="F-1")


def ordered(*, owner: str = "customer:ada", **quantities: int) -> UUID:
    """An order whose shipment was made."""
    event = confirmed(owner=owner, **quantities)
    with atomic("shipping"):
        open_on_confirmed(event)
    return event.order_id


def shipments(order_id: UUID) -> list[Shipment]:
    """The order's shipments, oldest first."""
    return list(shipping.shipments(order_ids=(order_id,)))


def only(order_id: UUID) -> Shipment:
    """The order's one shipment."""
    (shipment,) = shipments(order_id)
    return shipment


def held(shipment: Shipment) -> dict[str, int]:
    """SKU to quantity."""
    return {line.sku: line.quantity for line in shipment.lines}


def published(kind: type[Event]) -> list[Mapping[str, object]]:
    """The payloads of shipping's events of ``kind``, in order."""
    name = kind.type_name().rpartition(".v")[0]
    with connections["shipping"].cursor() as cursor:
        cursor.execute("SELECT payload::text FROM bus_outbox WHERE type = %s ORDER BY id", [name])
        return [json.loads(text) for (text,) in cursor.fetchall()]


def hear(*events: Event) -> None:
    """Publish the events as their modules would, and let the bus come to rest."""
    for event in events:
        with atomic(type(event).__module__.split(".")[1]):
            publish(event)
        drain()
    assert letters() == []


def _line(sku: str, quantity: int) -> OrderLine:
    return OrderLine(
        sku=sku,
        product_id=uuid4(),
        name=sku.upper(),
        quantity=quantity,
        unit_price=NOTHING,
        discount=NOTHING,
        total=NOTHING,
        tax=NOTHING,
        weight_grams=100,
    )
