"""What shipping does when orders and inventory speak, over the real bus."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import pytest

from modules.inventory.contract import Pick, StockAllocated
from modules.platform.messaging import registry
from modules.shipping.contract import (
    AlreadyDispatched,
    CancelShipments,
    ShipmentCancelled,
    ShipmentDispatched,
    ShipmentLine,
    ShipmentOnHold,
    ShipmentState,
)
from modules.shipping.handlers import HANDLERS
from modules.shipping.models import Hold, Shipment
from modules.shipping.module import MODULE
from modules.shipping.queries import pick_list
from tests.modules.shipping.orders import (
    cancelled,
    confirmed,
    flagged,
    hear,
    held,
    lines,
    only,
    published,
    reviewed,
    shipments,
    shipping,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("default_tariff"),
]


@pytest.fixture(autouse=True)
def _only_shipping_hears() -> object:
    with registry.only({"shipping": HANDLERS}):
        yield


def picks(order_id: object, **places: dict[str, int]) -> StockAllocated:
    """Where the order's goods are."""
    return StockAllocated(
        order_id=order_id,  # type: ignore[arg-type]
        picks=tuple(
            Pick(sku=sku, quantity=quantity, warehouse=warehouse)
            for warehouse, quantities in places.items()
            for sku, quantity in quantities.items()
        ),
    )


def warehouses(order_id: object) -> dict[str, dict[str, int]]:
    """Warehouse to what is sent from there."""
    codes = dict(Shipment.objects.filter(order_id=order_id).values_list("id", "warehouse"))
    return {codes[shipment.id]: held(shipment) for shipment in shipments(order_id)}  # type: ignore[arg-type]


def test_what_is_declared_is_what_is_heard() -> None:
    """The declaration names exactly the events that have handlers."""
    assert set(MODULE.consumes) == set(HANDLERS)


def test_a_confirmed_order_is_to_be_picked() -> None:
    """Once, however often it is told, with a promise."""
    event = confirmed(a=2, b=1)
    hear(event, event)
    shipment = only(event.order_id)
    assert (shipment.state, held(shipment)) == (ShipmentState.PENDING, {"a": 2, "b": 1})
    row = Shipment.objects.get()
    assert row.promised_by is not None
    assert row.promised_by > row.pick_on


def test_a_cancelled_order_is_not_sent() -> None:
    """What has left has left; the rest stays here."""
    event = confirmed(a=2)
    hear(event)
    shipping.dispatch(shipment_id=only(event.order_id).id, lines=lines(a=1))
    hear(cancelled(event.order_id), cancelled(event.order_id))
    states = [shipment.state for shipment in shipments(event.order_id)]
    assert states == [ShipmentState.DISPATCHED, ShipmentState.CANCELLED]
    assert len(published(ShipmentCancelled)) == 1


def test_goods_in_several_warehouses_are_sent_apart() -> None:
    """One shipment per warehouse, each with what lies there."""
    event = confirmed(a=3, b=1)
    hear(event, picks(event.order_id, east={"a": 2}, west={"a": 1, "b": 1}))
    assert warehouses(event.order_id) == {"east": {"a": 2}, "west": {"a": 1, "b": 1}}


def test_inventory_may_be_heard_before_orders() -> None:
    """Events of different modules come in any order; the result is the same."""
    event = confirmed(a=3, b=1)
    hear(picks(event.order_id, east={"a": 3, "b": 1}), event)
    assert warehouses(event.order_id) == {"east": {"a": 3, "b": 1}}


def test_what_is_being_picked_is_not_moved() -> None:
    """A person with a basket in hand is not told to start anew."""
    event = confirmed(a=1)
    hear(event)
    shipping.start_picking(shipment_id=only(event.order_id).id)
    hear(picks(event.order_id, east={"a": 1}))
    assert warehouses(event.order_id) == {"main": {"a": 1}}


def test_lines_cancelled_before_the_shipment_was_made_are_left_out() -> None:
    """A customer may be faster than the bus."""
    event, gone = confirmed(a=3, b=1), confirmed(a=1)
    some = CancelShipments(
        order_id=event.order_id, reason="x", lines=lines(a=2), idempotency_key="k"
    )
    shipping.cancel(some)
    shipping.cancel(some)
    shipping.cancel(CancelShipments(order_id=gone.order_id, reason="x", idempotency_key="l"))
    hear(event, gone)
    assert held(only(event.order_id)) == {"a": 1, "b": 1}
    assert shipments(gone.order_id) == []


@pytest.mark.parametrize("first", ["confirmed", "cancelled"])
def test_an_order_cancelled_as_a_whole_is_never_sent(first: str) -> None:
    """Whichever is heard first, and though the news comes twice; nothing is left to pick."""
    event = confirmed(a=2)
    news = [event, cancelled(event.order_id)]
    if first == "cancelled":
        news.reverse()
    hear(*news, *news)
    assert all(s.state is ShipmentState.CANCELLED for s in shipments(event.order_id))
    assert len(shipments(event.order_id)) == (1 if first == "confirmed" else 0)
    assert len(published(ShipmentCancelled)) == (1 if first == "confirmed" else 0)


@pytest.mark.parametrize("first", ["confirmed", "command"])
@pytest.mark.parametrize("partly", [False, True])
def test_orders_command_and_news_come_to_the_same_in_any_order(first: str, partly: bool) -> None:
    """orders says it by command, then by event: each line is taken off once."""
    event = confirmed(a=3, b=1)
    gone = lines(a=2) if partly else ()
    command = CancelShipments(
        order_id=event.order_id, reason="x", lines=gone, idempotency_key="saga:1"
    )
    if first == "confirmed":
        hear(event)
    shipping.cancel(command)
    hear(event, *([] if partly else [cancelled(event.order_id)]))
    shipping.cancel(command)
    live = [s for s in shipments(event.order_id) if s.state is not ShipmentState.CANCELLED]
    assert [held(shipment) for shipment in live] == ([{"a": 1, "b": 1}] if partly else [])


@pytest.mark.parametrize("gone", [(), lines(a=2)], ids=["whole", "lines"])
def test_what_has_left_cannot_be_cancelled_and_nothing_else_is_touched(
    gone: tuple[ShipmentLine, ...],
) -> None:
    """The refusal leaves no trace: the rest stays here and can be sent."""
    event = confirmed(a=2, b=1)
    hear(event)
    shipping.dispatch(shipment_id=only(event.order_id).id, lines=lines(a=1))
    command = CancelShipments(
        order_id=event.order_id, reason="x", lines=gone, idempotency_key="saga:1"
    )
    for _ in range(2):
        with pytest.raises(AlreadyDispatched):
            shipping.cancel(command)
    states = [(s.state, held(s)) for s in shipments(event.order_id)]
    assert states == [
        (ShipmentState.DISPATCHED, {"a": 1}),
        (ShipmentState.PENDING, {"a": 1, "b": 1}),
    ]
    assert published(ShipmentCancelled) == []


@pytest.mark.parametrize("first", ["flagged", "confirmed"])
def test_goods_of_a_flagged_order_stay_until_it_is_reviewed(first: str) -> None:
    """Flagged before there was a shipment or after; what is split off stays as well."""
    order = uuid4()
    events = [confirmed(order, a=2), flagged(order)]
    hear(*(reversed(events) if first == "flagged" else events))
    one = only(order)
    assert one.on_hold
    shipping.split(shipment_id=one.id, lines=lines(a=1), expected_version=None)
    for shipment in shipments(order):
        for leave in (shipping.dispatch, shipping.start_picking):
            with pytest.raises(ShipmentOnHold, match="until its order is reviewed: capture failed"):
                leave(shipment_id=shipment.id)
    assert not to_pick()
    hear(reviewed(order))
    assert [(each.state, each.on_hold) for each in shipments(order)] == [
        (ShipmentState.PENDING, False)
    ] * 2
    assert to_pick() == {"a": 2}
    for shipment in shipments(order):
        shipping.start_picking(shipment_id=shipment.id)
        shipping.dispatch(shipment_id=shipment.id)
    assert [each["complete"] for each in published(ShipmentDispatched)] == [False, True]


def test_what_had_left_when_its_order_was_flagged_arrives() -> None:
    """And is not said to be on hold; the rest is."""
    order = uuid4()
    hear(confirmed(order, a=2))
    gone = only(order)
    shipping.dispatch(shipment_id=gone.id, lines=lines(a=1))
    versions = [each.version for each in shipments(order)]
    hear(flagged(order))
    assert [each.on_hold for each in shipments(order)] == [False, True]
    assert [each.version for each in shipments(order)] == [versions[0], versions[1] + 1]
    shipping.deliver(shipment_id=gone.id)
    assert shipments(order)[0].state is ShipmentState.DELIVERED


def test_a_flagged_order_can_be_cancelled() -> None:
    """Nothing is left of its hold."""
    order = uuid4()
    hear(confirmed(order, a=1), flagged(order), cancelled(order))
    assert (only(order).state, only(order).on_hold) == (ShipmentState.CANCELLED, False)
    assert not Hold.objects.exists()


def test_news_of_a_review_come_twice_and_for_orders_that_were_not_flagged() -> None:
    """They change nothing then, and no representation either."""
    order = uuid4()
    hear(confirmed(order, a=1), flagged(order), flagged(order), reviewed(order), reviewed(order))
    version = only(order).version
    hear(reviewed(order), reviewed(uuid4()))
    assert (only(order).version, only(order).on_hold) == (version, False)


def to_pick() -> dict[str, int]:
    """What the pick list has, however far ahead."""
    found = pick_list(warehouse="main", day=date.max)
    return {line.sku: line.quantity for line in found.lines}


def test_an_order_nobody_knows_is_no_error() -> None:
    """A cancellation of what was never to be sent changes nothing."""
    hear(cancelled(uuid4()))
    assert not Shipment.objects.exists()
