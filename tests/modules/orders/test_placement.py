"""Placing an order with everything in order, and with everything out of it."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connections

from modules.cart.contract import CartEmpty, CartLocked, CartNotFound
from modules.orders.contract import (
    CartBeingOrdered,
    OrderConfirmed,
    OrderFailed,
    OrderNeedsReview,
    OrderPaymentState,
    OrderState,
)
from modules.orders.models import Order
from modules.orders.queries import find_orders, get_order, timeline
from modules.orders.sagas.placing import Phase
from modules.orders.service.placement import OrderFailure
from modules.payment.contract import NOT_RECEIVED, Declined
from modules.platform.contracts import Unavailable
from modules.platform.messaging.carrier import InlineCarrier
from modules.platform.sagas import Signal, store
from modules.platform.sagas.saga import Status
from modules.platform.sagas.starting import signal
from modules.shipping.contract import MethodNotOffered, NotDeliverable
from tests.modules.orders.conftest import Clock, buy, published, settle
from tests.modules.orders.fakes import BEFORE, BUG, LOST, World

pytestmark = pytest.mark.django_db(transaction=True)


def only_order() -> Order:
    return Order.objects.get()


def test_order_is_confirmed_at_once_when_every_module_answers(world: World) -> None:
    """A cart becomes a confirmed order with its stock held, its money set aside, its cart done."""
    cart_id = world.new_cart(apple=2, pear=1)
    placement = buy(cart_id)
    order = placement.order
    assert (order.state, placement.pending) == (OrderState.CONFIRMED, False)
    assert order.total.amount == 3 * 1000 + 500
    assert world.holds[order.id].lines == {"apple": 2, "pear": 1}
    assert world.standing(order.id) == order.total.amount
    assert world.carts[cart_id].completed


def test_confirmed_event_carries_what_followers_need(world: World) -> None:
    """Lines, totals, address and the e-mail in lower case."""
    order = buy(world.new_cart()).order
    (event,) = published(OrderConfirmed)
    assert (event.order_id, event.total, event.lines) == (order.id, order.total, order.lines)
    assert (event.email, event.shipping_address) == ("ada@example.com", order.shipping_address)


def test_happy_path_sends_no_task_and_sets_no_timer(world: World, carrier: InlineCarrier) -> None:
    """All of it happens in the request; nothing is left for a worker."""
    order = buy(world.new_cart()).order
    assert not carrier.waiting
    with connections["orders"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM bus_timer")
        assert cursor.fetchone() == (0,)
    saga = store.load("orders", order.id)
    assert saga is not None
    assert (saga.status, saga.state.phase) == (Status.DONE, Phase.PLACED)


def test_statements_of_an_order_stay_few(world: World, django_assert_num_queries: object) -> None:
    """Sixteen with BEGIN and COMMIT: more would be paid on every order."""
    with django_assert_num_queries(16, using="orders"):  # type: ignore[operator]
        buy(world.new_cart(apple=1, pear=1))


def test_chosen_shipping_method_is_charged(world: World) -> None:
    """Without a choice it is the cheapest."""
    assert buy(world.new_cart(), shipping_method="express").order.shipping.amount == 1500
    assert buy(world.new_cart()).order.shipping.amount == 500


def test_free_order_needs_no_payment(world: World) -> None:
    """Nothing to pay is paid."""
    world.postage = 0
    order = buy(world.new_cart(price=0, apple=1)).order
    assert (order.state, order.payment_state) == (OrderState.CONFIRMED, OrderPaymentState.PAID)
    assert world.accounts == {}


@pytest.mark.parametrize(
    ("error", "prepare"),
    [
        (CartNotFound, lambda world: world.new_cart(owner="guest:other")),
        (CartEmpty, lambda world: empty_cart(world)),
        (NotDeliverable, lambda world: unreachable(world)),
    ],
)
def test_cart_that_cannot_be_checked_out_makes_no_order(
    world: World, error: type[Exception], prepare: object
) -> None:
    """The cart's or shipping's own error comes back, and the cart is not left locked."""
    cart_id: UUID = prepare(world)  # type: ignore[operator]
    with pytest.raises(OrderFailure) as failure:
        buy(cart_id)
    assert isinstance(failure.value.cause, error)
    assert not Order.objects.exists()
    assert world.carts[cart_id].locked_by is None


def empty_cart(world: World) -> UUID:
    cart_id = world.new_cart()
    world.carts[cart_id].lines = ()
    return cart_id


def unreachable(world: World) -> UUID:
    world.undeliverable = True
    return world.new_cart()


def test_unknown_shipping_method_is_refused(world: World) -> None:
    """Only what shipping offers can be chosen."""
    with pytest.raises(OrderFailure) as failure:
        buy(world.new_cart(), shipping_method="teleport")
    assert isinstance(failure.value.cause, MethodNotOffered)


@pytest.mark.parametrize(
    ("code", "method", "quantity"),
    [
        ("inventory.insufficient_stock", "card_ok", 101),
        ("payment.declined", "card_declined", 1),
        ("payment.method_unknown", "card_of_wood", 1),
    ],
)
def test_refused_order_is_kept_as_cancelled_and_all_is_given_back(
    world: World, code: str, method: str, quantity: int
) -> None:
    """The order says why; stock, money and cart are free at once."""
    cart_id = world.new_cart(apple=quantity)
    with pytest.raises(OrderFailure) as failure:
        buy(cart_id, method=method)
    order = only_order()
    assert failure.value.code == order.failure_code == code
    assert (order.state, order.payment_state) == (OrderState.CANCELLED, OrderPaymentState.FAILED)
    assert (world.held("apple"), world.standing(order.id)) == (0, 0)
    assert world.carts[cart_id].locked_by is None
    assert [event.failure_code for event in published(OrderFailed)] == [code]


def test_cart_of_a_failed_order_can_be_ordered_again(world: World) -> None:
    """The second try is another order."""
    cart_id = world.new_cart()
    with pytest.raises(OrderFailure):
        buy(cart_id, method="card_declined")
    assert buy(cart_id).order.state is OrderState.CONFIRMED
    assert Order.objects.count() == 2


def test_completing_a_cart_again_gives_the_same_order(world: World) -> None:
    """One cart, one order, one charge."""
    cart_id = world.new_cart()
    first, again = buy(cart_id), buy(cart_id)
    assert (again.order.id, again.before) == (first.order.id, True)
    assert world.accounts[first.order.id].charges == 1


def test_somebody_else_does_not_get_the_order_of_a_cart(world: World) -> None:
    """Not even that the cart exists."""
    cart_id = world.new_cart()
    buy(cart_id)
    with pytest.raises(OrderFailure) as failure:
        buy(cart_id, owner="guest:thief")
    assert isinstance(failure.value.cause, CartNotFound)


def test_cart_locked_by_an_order_that_is_not_there_yet_is_busy(world: World) -> None:
    """Another request is between locking the cart and storing the order."""
    cart_id = world.new_cart()
    world.carts[cart_id].locked_by = UUID(int=1)
    with pytest.raises(CartBeingOrdered):
        buy(cart_id)


def test_cart_of_a_cancelled_order_stays_locked(world: World) -> None:
    """A cart that was sold and cancelled later is not sold again."""
    cart_id = world.new_cart()
    order = buy(cart_id).order
    Order.objects.filter(id=order.id).update(state="cancelled")
    with pytest.raises(CartLocked):
        buy(cart_id)


def test_many_buyers_of_one_cart_make_one_order(world: World) -> None:
    """Different requests at once for the same cart: one order, one charge."""
    cart_id = world.new_cart()
    outcomes: list[str] = []

    def ask() -> None:
        try:
            outcomes.append(str(buy(cart_id).order.id))
        except CartBeingOrdered:
            outcomes.append("busy")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    order = only_order()
    assert len(outcomes) == 16
    assert set(outcomes) <= {str(order.id), "busy"}
    assert sum(account.charges for account in world.accounts.values()) == 1


def test_database_refuses_two_orders_of_one_cart(world: World) -> None:
    """The last line of defence, should the cart's own lock fail."""
    order = only_order_of(world)
    with pytest.raises(IntegrityError, match="orders_one_per_cart"):
        Order.objects.create(
            **{
                field.attname: getattr(order, field.attname)
                for field in Order._meta.concrete_fields
                if field.attname not in ("id", "number")
            },
            number="FC-22222-22222",
        )


def only_order_of(world: World) -> Order:
    buy(world.new_cart())
    return only_order()


def test_second_order_of_a_cart_that_cart_did_not_stop_is_undone(world: World) -> None:
    """The unique constraint refuses the step, and the saga gives back what it took."""
    cart_id = world.new_cart()
    buy(cart_id)
    world.carts[cart_id].locked_by = None  # a cart that forgot
    with pytest.raises(OrderFailure) as failure:
        buy(cart_id)
    assert failure.value.code == "orders.cart_ordered"
    assert Order.objects.count() == 1


def test_timeout_after_the_charge_ends_confirmed_with_one_charge(
    world: World, clock: Clock
) -> None:
    """The answer got lost; asking again with the same key finds the charge."""
    placement = buy(world.new_cart(), method="card_timeout", clock=clock)
    assert (placement.pending, placement.order.state) == (True, OrderState.RESERVED)
    settle(clock)
    order = get_order(placement.order.id)
    assert order.state is OrderState.CONFIRMED
    assert world.accounts[order.id].charges == 1


def test_payment_that_never_answers_is_given_up_and_voided(world: World, clock: Clock) -> None:
    """The charge took effect, every answer got lost: the order fails and nothing stands."""
    world.always["payment.authorize"] = LOST
    cart_id = world.new_cart()
    placement = buy(cart_id, clock=clock)
    settle(clock)
    order = get_order(placement.order.id)
    assert (order.state, order.failure_code) == (OrderState.CANCELLED, "orders.timed_out")
    assert world.accounts[order.id].charges == 1
    assert (world.standing(order.id), world.held("apple")) == (0, 0)
    assert world.carts[cart_id].locked_by is None


def never_received() -> Declined:
    """Payment noted the request down, died before it asked, and gave it up half a minute later."""
    return Declined(order_id=UUID(int=1), decline_code=NOT_RECEIVED)


def test_payment_that_was_never_asked_is_asked_anew(world: World) -> None:
    """With another key, for payment is done with the first; the order stands."""
    world.fail("payment.authorize", never_received())
    order = buy(world.new_cart()).order
    assert (order.state, world.accounts[order.id].charges) == (OrderState.CONFIRMED, 1)
    keys = [key for name, key in world.calls if name == "payment.authorize"]
    assert keys == [f"{order.id}:3:authorize", f"{order.id}:4:authorize"]


def test_payment_that_is_never_asked_ends_the_order(world: World) -> None:
    """A second time is no accident: declined, and all is given back."""
    world.fail("payment.authorize", never_received(), never_received())
    with pytest.raises(OrderFailure) as failure:
        buy(world.new_cart())
    assert failure.value.code == "payment.declined"
    assert (only_order().state, world.held("apple")) == (OrderState.CANCELLED, 0)


def test_news_of_a_request_that_was_never_asked_changes_nothing(world: World, clock: Clock) -> None:
    """The order asks again by itself, before the event comes or after it."""
    world.fail("payment.authorize", BEFORE)
    order = buy(world.new_cart(), clock=clock).order
    signal("orders", order.id, Signal(name="payment_declined", data={"code": NOT_RECEIVED}))
    assert get_order(order.id).state is OrderState.RESERVED
    settle(clock)
    assert get_order(order.id).state is OrderState.CONFIRMED


def test_inventory_that_is_down_fails_the_order_in_time(world: World, clock: Clock) -> None:
    """Within the minute in which every saga comes to rest."""
    world.always["inventory.reserve"] = BEFORE
    placement = buy(world.new_cart(), clock=clock)
    assert placement.order.state is OrderState.PENDING
    settle(clock, hours=1 / 60)
    order = get_order(placement.order.id)
    assert (order.state, order.failure_code) == (OrderState.CANCELLED, "orders.timed_out")
    assert not world.accounts


def test_bug_in_another_module_is_a_failed_attempt(world: World, clock: Clock) -> None:
    """An unforeseen exception neither reaches the shopper nor ends the order."""
    world.fail("inventory.reserve", BUG)
    placement = buy(world.new_cart(), clock=clock)
    assert placement.pending
    settle(clock)
    assert get_order(placement.order.id).state is OrderState.CONFIRMED


def test_cart_that_does_not_answer_leaves_nothing(world: World, clock: Clock) -> None:
    """The shopper is told to try again, and can."""
    cart_id = world.new_cart()
    world.fail("cart.begin_checkout", LOST)
    with pytest.raises(Unavailable):
        buy(cart_id, clock=clock)
    settle(clock)
    assert world.carts[cart_id].locked_by is None
    assert buy(cart_id, clock=clock).order.state is OrderState.CONFIRMED


def test_slow_request_hands_over_to_a_worker(world: World, clock: Clock) -> None:
    """No time at all: the order is stored with a lease and a worker places it."""
    with pytest.raises(Unavailable):
        buy(world.new_cart(), clock=clock, within=timedelta(0))
    settle(clock)
    assert not Order.objects.exists()


def test_bank_confirmation_places_the_order(world: World, clock: Clock) -> None:
    """The shopper confirms; payment's event does the rest."""
    placement = buy(world.new_cart(), method="card_requires_action", clock=clock)
    order = placement.order
    assert (placement.pending, order.next_action) == (True, "https://bank/3ds")
    signal("orders", order.id, Signal(name="payment_authorized"), clock=clock)
    settle(clock)
    after = get_order(order.id)
    assert (after.state, after.next_action) == (OrderState.CONFIRMED, "")
    assert world.carts[order.cart_id].completed  # type: ignore[index]


def test_bank_refusal_fails_the_order(world: World, clock: Clock) -> None:
    """The shopper did not pass: declined."""
    order = buy(world.new_cart(), method="card_requires_action", clock=clock).order
    event = Signal(name="payment_declined", data={"code": "3ds_failed"})
    signal("orders", order.id, event, clock=clock)
    settle(clock)
    after = get_order(order.id)
    assert (after.state, after.failure_code) == (OrderState.CANCELLED, "payment.declined")
    assert world.held("apple") == 0


def test_shopper_who_never_confirms_loses_the_order(world: World, clock: Clock) -> None:
    """After 15 minutes stock and cart are free again."""
    order = buy(world.new_cart(), method="card_requires_action", clock=clock).order
    settle(clock)
    after = get_order(order.id)
    assert (after.state, after.failure_code) == (OrderState.CANCELLED, "payment.not_confirmed")
    assert (world.held("apple"), world.standing(order.id)) == (0, 0)


def test_stock_is_held_longer_than_the_shopper_may_wait(world: World, clock: Clock) -> None:
    """The reservation outlives every deadline of the saga."""
    order = buy(world.new_cart(), method="card_requires_action", clock=clock).order
    saga = store.load("orders", order.id)
    assert saga is not None
    assert saga.deadline_at is not None
    assert world.holds[order.id].expires_at > saga.deadline_at + timedelta(minutes=10)


@pytest.mark.parametrize("call", ["payment.cancel", "inventory.release", "cart.reopen"])
def test_compensation_that_fails_is_tried_until_it_succeeds(
    world: World, clock: Clock, call: str
) -> None:
    """The shopper hears of the failure at once; giving back goes on behind."""
    world.always["payment.authorize"] = LOST
    world.fail(call, *[BEFORE, LOST, BUG] * 3)
    cart_id = world.new_cart()
    placement = buy(cart_id, clock=clock)
    settle(clock)
    order = get_order(placement.order.id)
    assert order.state is OrderState.CANCELLED
    assert (world.standing(order.id), world.held("apple")) == (0, 0)
    assert world.carts[cart_id].locked_by is None


def test_one_failing_compensation_does_not_hold_up_the_others(world: World, clock: Clock) -> None:
    """The refund is stuck; stock and cart are free, and the shopper buys again."""
    world.always["payment.authorize"] = LOST
    world.always["payment.cancel"] = BEFORE
    cart_id = world.new_cart()
    buy(cart_id, clock=clock)
    settle(clock)
    assert only_order().state == OrderState.CANCELLING
    assert world.held("apple") == 0
    del world.always["payment.authorize"]
    assert buy(cart_id, clock=clock).order.state is OrderState.CONFIRMED


def test_compensation_that_fails_for_a_day_is_left_to_a_person(world: World, clock: Clock) -> None:
    """The order needs review, an event says so, and nothing is tried any more."""
    world.always["payment.authorize"] = LOST
    world.always["payment.cancel"] = BEFORE
    placement = buy(world.new_cart(), clock=clock)
    settle(clock, hours=25)
    order = get_order(placement.order.id)
    saga = store.load("orders", order.id)
    assert saga is not None
    assert (order.state, saga.status) == (OrderState.NEEDS_REVIEW, Status.MANUAL)
    assert [event.order_id for event in published(OrderNeedsReview)] == [order.id]
    assert world.standing(order.id) > 0


def test_timeline_is_append_only_history(world: World) -> None:
    """Every step has its entry, with who did it."""
    with pytest.raises(OrderFailure):
        buy(world.new_cart(), method="card_declined")
    entries = timeline(only_order().id)
    assert [entry.kind for entry in entries] == ["placed", "reserved", "failed", "cancelled"]
    assert entries[2].detail == "payment.declined: The payment was declined (card_declined)."


def test_port_gives_the_orders_that_exist(world: World) -> None:
    """Unknown ids are left out."""
    order = buy(world.new_cart()).order
    assert find_orders((order.id, UUID(int=5))) == (order,)
