"""Shipping's contract, kept the same by every way."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from modules.platform.binding import methods_of, use
from modules.shipping.bootstrap import bootstrap
from modules.shipping.contract import (
    AlreadyDispatched,
    CancelShipments,
    NotDeliverable,
    ShipmentState,
    Shipping,
)
from modules.shipping.service import ShippingService, tariff
from tests.contracts.ways import Way
from tests.modules.shipping.orders import address, held, lines, only, ordered, parcel, shipping

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _answered(way: Way, transactional_db: None) -> Iterator[None]:
    bootstrap()
    with way(Shipping, ShippingService()):
        yield
    tariff.forget()


def test_quotes_come_across_as_they_are() -> None:
    """Money, dates and order are the same; cheapest first."""
    quotes = use(Shipping).quotes(address=address(), parcel=parcel())
    assert quotes == shipping.quotes(address=address(), parcel=parcel())
    assert [quote.method for quote in quotes] == ["standard", "express"]
    assert quotes[0].earliest <= quotes[0].latest


def test_what_is_not_delivered_names_the_country() -> None:
    """The error is rebuilt with its field."""
    with pytest.raises(NotDeliverable) as caught:
        use(Shipping).quotes(address=address("FR"), parcel=parcel(currency="XXX"))
    assert caught.value.country == "FR"


def test_shipments_of_several_orders_are_one_answer() -> None:
    """Oldest first; unknown orders have none."""
    one, two = ordered(a=1), ordered(b=2)
    found = use(Shipping).shipments(order_ids=(two, one, uuid4()))
    assert [(shipment.order_id, held(shipment)) for shipment in found] == [
        (one, {"a": 1}),
        (two, {"b": 2}),
    ]
    assert found[0].address == address()


def test_cancelling_is_idempotent_until_something_has_left() -> None:
    """Whole or by lines, once per key; afterwards AlreadyDispatched with the order."""
    order = ordered(a=3)
    some = CancelShipments(order_id=order, reason="x", lines=lines(a=1), idempotency_key="k")
    use(Shipping).cancel(some)
    use(Shipping).cancel(some)
    assert held(only(order)) == {"a": 2}
    shipping.dispatch(shipment_id=only(order).id)
    with pytest.raises(AlreadyDispatched) as caught:
        use(Shipping).cancel(CancelShipments(order_id=order, reason="x", idempotency_key="l"))
    assert caught.value.order_id == order
    assert only(order).state is ShipmentState.DISPATCHED


def test_the_port_is_small() -> None:
    """At most eight methods."""
    assert len(methods_of(Shipping)) <= 8
