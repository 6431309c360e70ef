"""Quotes from the database and shipments through their states."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from django.db import IntegrityError, connections, transaction
from django.test.utils import CaptureQueriesContext

from modules.platform.contracts import StaleVersion
from modules.shipping.bootstrap import bootstrap
from modules.shipping.contract import (
    AlreadyDispatched,
    CancelShipments,
    NotDeliverable,
    NotInShipment,
    NotInState,
    ShipmentCancelled,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentNotFound,
    ShipmentState,
)
from modules.shipping.models import Area, Bracket, Holiday, Rate, Shipment, ShipmentLine, Zone
from modules.shipping.queries import pick_list
from modules.shipping.service import pricing, tariff, utc_now
from tests.modules.shipping.orders import (
    address,
    held,
    lines,
    only,
    ordered,
    parcel,
    published,
    shipments,
    shipping,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("default_tariff")]


def test_a_fresh_shop_can_sell_everywhere() -> None:
    """The default tariff reaches the home country and the world, standard and express."""
    home = shipping.quotes(address=address("US"), parcel=parcel())
    abroad = shipping.quotes(address=address("NZ"), parcel=parcel())
    heavy = shipping.quotes(address=address("NZ"), parcel=parcel(grams=10**8))
    assert [quote.method for quote in home] == ["standard", "express"]
    assert home[0].price < abroad[0].price < heavy[0].price


def test_making_the_default_tariff_again_changes_nothing() -> None:
    """Also when the shop has changed it meanwhile."""
    Rate.objects.filter(zone__code="worldwide").delete()
    before = Rate.objects.count(), Bracket.objects.count()
    bootstrap()
    assert (Rate.objects.count(), Bracket.objects.count()) == before


def test_quotes_cost_no_query_once_the_tariff_is_known() -> None:
    """Checkout asks for quotes with every order."""
    shipping.quotes(address=address(), parcel=parcel())
    with CaptureQueriesContext(connections["shipping"]) as queries:
        shipping.quotes(address=address(), parcel=parcel())
    assert len(queries) == 0


def test_what_no_rate_takes_is_not_deliverable() -> None:
    """A currency without rates, or an address outside all zones."""
    with pytest.raises(NotDeliverable):
        shipping.quotes(address=address(), parcel=parcel(currency="XXX"))
    Area.objects.filter(country="").delete()
    tariff.forget()
    with pytest.raises(NotDeliverable):
        shipping.quotes(address=address("NZ"), parcel=parcel())


def test_a_tariff_changed_elsewhere_is_quoted_after_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What another process changed is seen when the kept tariff is too old."""
    price = shipping.quotes(address=address(), parcel=parcel())[0].price.amount
    Bracket.objects.update(price=7)
    assert shipping.quotes(address=address(), parcel=parcel())[0].price.amount == price
    monkeypatch.setattr(tariff, "KEPT", 0.0)
    assert shipping.quotes(address=address(), parcel=parcel())[0].price.amount == 7


def test_a_confirmed_order_has_one_shipment_with_its_lines() -> None:
    """Repeated lines of a SKU are one; a repeated confirmation makes no second shipment."""
    order = ordered(a=2, b=1)
    shipment = only(order)
    assert (shipment.state, held(shipment)) == (ShipmentState.PENDING, {"a": 2, "b": 1})
    assert shipment.address == address()


def test_opening_a_shipment_costs_three_statements() -> None:
    """Lock, look for early cancellations, insert: it is done for every order."""
    tariff.current()
    with CaptureQueriesContext(connections["shipping"]) as queries:
        ordered(a=2, b=1, c=3)
    said = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(said) == 3


def test_a_whole_dispatch_completes_the_order() -> None:
    """The event has lines, tracking and ``complete``."""
    order = ordered(a=2)
    shipment = only(order)
    shipping.dispatch(shipment_id=shipment.id, tracking_number="N 1")
    done = only(order)
    assert (done.state, done.tracking_number) == (ShipmentState.DISPATCHED, "N 1")
    assert done.tracking_url.endswith("N%201")
    assert done.dispatched_at is not None
    assert done.version > shipment.version
    (told,) = published(ShipmentDispatched)
    assert (told["complete"], told["tracking_url"]) == (True, done.tracking_url)
    assert told["lines"] == [{"sku": "a", "name": "A", "quantity": 2}]


def test_a_partial_dispatch_leaves_the_rest_in_a_shipment_of_its_own() -> None:
    """Only the last parcel completes the order, in dispatch and in delivery."""
    order = ordered(a=3, b=1)
    shipping.dispatch(shipment_id=only(order).id, lines=lines(a=1))
    first, second = shipments(order)
    assert (held(first), held(second)) == ({"a": 1}, {"a": 2, "b": 1})
    shipping.deliver(shipment_id=first.id)
    shipping.dispatch(shipment_id=second.id)
    shipping.deliver(shipment_id=second.id)
    assert [event["complete"] for event in published(ShipmentDispatched)] == [False, True]
    assert [event["complete"] for event in published(ShipmentDelivered)] == [False, True]


def test_more_than_is_in_it_cannot_leave() -> None:
    """A dispatch or split of what is not there is refused whole."""
    order = ordered(a=1)
    with pytest.raises(NotInShipment):
        shipping.dispatch(shipment_id=only(order).id, lines=lines(a=2))
    with pytest.raises(NotInShipment):
        shipping.split(shipment_id=only(order).id, lines=lines(b=1), expected_version=None)
    assert held(only(order)) == {"a": 1}


def test_a_split_moves_lines_and_their_names() -> None:
    """Both parts wait; splitting off everything is no split."""
    order = ordered(a=3, b=1)
    origin = only(order)
    new = shipping.split(shipment_id=origin.id, lines=lines(a=1), expected_version=origin.version)
    first, second = shipments(order)
    assert (second.id, held(first), held(second)) == (new, {"a": 2, "b": 1}, {"a": 1})
    assert second.lines[0].name == "A"
    same = shipping.split(shipment_id=first.id, lines=lines(a=2, b=1), expected_version=None)
    assert same == first.id
    with pytest.raises(StaleVersion):
        shipping.split(shipment_id=origin.id, lines=lines(a=1), expected_version=origin.version)


def test_states_that_do_not_follow_are_refused() -> None:
    """Nothing is delivered before it left, or leaves twice."""
    order = ordered(a=1)
    shipment = only(order)
    with pytest.raises(NotInState):
        shipping.deliver(shipment_id=shipment.id)
    shipping.start_picking(shipment_id=shipment.id)
    shipping.dispatch(shipment_id=shipment.id)
    for act in (shipping.dispatch, shipping.start_picking):
        with pytest.raises(NotInState):
            act(shipment_id=shipment.id)
    with pytest.raises(NotInState):
        shipping.cancel_shipment(shipment_id=shipment.id, reason="late")
    with pytest.raises(ShipmentNotFound):
        shipping.dispatch(shipment_id=uuid4())


def cancel(order: object, key: str = "k", **quantities: int) -> None:
    """Cancel the order's shipments, or some lines."""
    shipping.cancel(
        CancelShipments(
            order_id=order,  # type: ignore[arg-type]
            reason="test",
            lines=lines(**quantities),
            idempotency_key=key,
        )
    )


def test_what_has_not_left_is_cancelled_once() -> None:
    """Repeating it is no error and tells nobody again."""
    order = ordered(a=1)
    cancel(order)
    cancel(order)
    cancel(order, key="other")
    assert only(order).state is ShipmentState.CANCELLED
    assert len(published(ShipmentCancelled)) == 1


def test_an_order_of_which_something_left_is_not_cancelled_as_a_whole() -> None:
    """Nothing changes; the caller must know."""
    order = ordered(a=2)
    shipping.dispatch(shipment_id=only(order).id, lines=lines(a=1))
    with pytest.raises(AlreadyDispatched):
        cancel(order)
    assert [s.state for s in shipments(order)] == [
        ShipmentState.DISPATCHED,
        ShipmentState.PENDING,
    ]


def test_some_lines_are_cancelled_once_per_key() -> None:
    """From the latest shipment first; more than waits is refused whole."""
    order = ordered(a=5, b=1)
    shipping.split(shipment_id=only(order).id, lines=lines(a=2), expected_version=None)
    cancel(order, a=3)
    cancel(order, a=3)
    first, second = shipments(order)
    assert (held(first), second.state) == ({"a": 2, "b": 1}, ShipmentState.CANCELLED)
    with pytest.raises(AlreadyDispatched):
        cancel(order, key="l", a=3)
    assert held(shipments(order)[0]) == {"a": 2, "b": 1}


def test_the_pick_list_has_what_waits_in_one_warehouse_until_a_day() -> None:
    """Goods add up over shipments; what left or was cancelled is not on it."""
    one, two, gone = ordered(a=2), ordered(a=1, b=1), ordered(a=9)
    shipping.dispatch(shipment_id=only(gone).id)
    day = tariff.current().pick_day(utc_now())
    found = pick_list(warehouse="main", day=day)
    assert [(line.sku, line.quantity) for line in found.lines] == [("a", 3), ("b", 1)]
    assert {shipment.order_id for shipment in found.shipments} == {one, two}
    assert found.lines[0].shipments == ("F-1-1", "F-1-1")
    assert not pick_list(warehouse="moon", day=day).lines
    Shipment.objects.filter(order_id=one).update(pick_on=day.replace(year=day.year + 1))
    assert [line.quantity for line in pick_list(warehouse="main", day=day).lines] == [1, 1]


def test_holidays_move_the_promise() -> None:
    """The first business day after today is off: everything is later."""
    before = shipping.quotes(address=address(), parcel=parcel())[0]
    Holiday.objects.create(day=before.earliest, name="Off")
    tariff.forget()
    assert shipping.quotes(address=address(), parcel=parcel())[0].earliest > before.earliest


@pytest.mark.parametrize(
    "change",
    [
        lambda: Rate.objects.update(min_days=9, max_days=1),
        lambda: Bracket.objects.update(price=-1),
        lambda: Bracket.objects.update(weight_from=5, weight_below=5),
        lambda: Area.objects.create(zone=Zone.objects.first(), region="x"),
        lambda: Area.objects.create(zone=Zone.objects.first()),
        lambda: Shipment.objects.update(state="dispatched"),
        lambda: Shipment.objects.update(sequence=1, order_id=uuid4()),
        lambda: ShipmentLine.objects.update(quantity=0),
    ],
)
def test_the_database_refuses_what_makes_no_sense(change: object) -> None:
    """Each CHECK and UNIQUE, shown to refuse."""
    ordered(a=1)
    ordered(a=1)
    with pytest.raises(IntegrityError), transaction.atomic(using="shipping"):
        change()  # type: ignore[operator]


def test_a_price_changed_here_is_quoted_at_once() -> None:
    """The use case tells this process to read its tariff anew after the commit."""
    shipping.quotes(address=address(), parcel=parcel())
    pricing.remove_rate(zone="domestic", method="express", currency="USD")
    tariff.forget()  # the test's own transaction never commits
    assert [q.method for q in shipping.quotes(address=address(), parcel=parcel())] == ["standard"]


@pytest.mark.django_db(transaction=True)
def test_two_parcels_that_leave_at_once_complete_the_order_once() -> None:
    """Whoever is second sees what the first has done, split-off rests included."""
    for _ in range(5):
        order = ordered(a=2, b=1)
        shipping.split(shipment_id=only(order).id, lines=lines(b=1), expected_version=None)
        first, second = shipments(order)
        works = [
            lambda first=first: shipping.dispatch(shipment_id=first.id, lines=lines(a=1)),
            lambda second=second: shipping.dispatch(shipment_id=second.id),
        ]

        def run(work: object) -> None:
            try:
                work()  # type: ignore[operator]
            finally:
                connections.close_all()

        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told = [e for e in published(ShipmentDispatched) if e["order_id"] == str(order)]
        assert [event["complete"] for event in told] == [False, False]
        (rest,) = [s for s in shipments(order) if s.state is ShipmentState.PENDING]
        shipping.dispatch(shipment_id=rest.id)
        assert published(ShipmentDispatched)[-1]["complete"] is True
