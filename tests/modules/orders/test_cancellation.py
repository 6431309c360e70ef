"""Cancelling orders and some of their lines."""

from __future__ import annotations

from uuid import UUID

import pytest

from modules.inventory.contract import ReservationState, StockLine
from modules.orders.contract import (
    FulfilmentState,
    LineNotCancellable,
    Order,
    OrderCancelled,
    OrderFailed,
    OrderNotCancellable,
    OrderNotFound,
    OrderPartiallyCancelled,
    OrderPaymentState,
    OrderReviewed,
    OrderState,
)
from modules.orders.queries import get_order
from modules.orders.service.cancellation import Cancellation, CancelOrder, cancel
from modules.orders.service.lifecycle import payment_captured, payment_refunded
from modules.orders.service.review import mark_reviewed
from modules.platform.contracts import StaleVersion
from modules.platform.databases import atomic
from modules.platform.sagas import steering, store
from modules.platform.sagas.saga import StepState
from tests.modules.orders.conftest import Clock, buy, published, settle
from tests.modules.orders.fakes import BEFORE, LOST, World, usd

pytestmark = pytest.mark.django_db(transaction=True)


def stop(order_id: UUID, clock: Clock | None = None, **lines: int) -> Cancellation:
    named = tuple(StockLine(sku=sku, quantity=count) for sku, count in lines.items())
    command = CancelOrder(order_id=order_id, reason="changed my mind", actor="me", lines=named)
    return cancel(command, clock=clock) if clock else cancel(command)


def captured(world: World, **lines: int) -> Order:
    order = buy(world.new_cart(**lines)).order
    account = world.accounts[order.id]
    account.captured, account.authorized = account.authorized, 0
    with atomic("orders"):
        payment_captured(order.id)
    return get_order(order.id)


def test_cancelled_order_gives_everything_back(world: World) -> None:
    """Shipment stopped, money void, stock free, and the event says so."""
    order = buy(world.new_cart(apple=2)).order
    done = stop(order.id)
    assert (done.order.state, done.pending) == (OrderState.CANCELLED, False)
    assert done.order.payment_state is OrderPaymentState.VOIDED
    assert done.order.fulfilment_state is FulfilmentState.CANCELLED
    assert world.stopped[order.id] == ["*"]
    assert (world.standing(order.id), world.held("apple")) == (0, 0)
    (event,) = published(OrderCancelled)
    assert (event.reason, event.refunded) == ("changed my mind", usd(0))


def test_cancelled_captured_order_is_refunded_in_full(world: World) -> None:
    """The event carries what goes back, shipping included."""
    order = captured(world, apple=2)
    done = stop(order.id)
    assert (done.order.payment_state, done.order.refunded) == ("refunded", 2500)
    assert [event.refunded for event in published(OrderCancelled)] == [usd(2500)]


def test_cancelling_twice_changes_nothing(world: World) -> None:
    """It is cancelled already."""
    order = buy(world.new_cart()).order
    first = stop(order.id)
    assert stop(order.id).order == first.order
    assert len(published(OrderCancelled)) == 1


def test_dispatched_order_stands(world: World) -> None:
    """Shipping says that the goods have left; nothing is given back."""
    order = buy(world.new_cart()).order
    world.dispatched.add(order.id)
    with pytest.raises(OrderNotCancellable):
        stop(order.id)
    assert get_order(order.id).state is OrderState.CONFIRMED
    assert world.standing(order.id) == order.total.amount
    with pytest.raises(OrderNotCancellable):
        stop(order.id, apple=1)
    assert get_order(order.id).lines[0].cancelled == 0


def test_order_that_is_being_placed_is_stopped(world: World, clock: Clock) -> None:
    """It fails with the shopper's word as its reason."""
    order = buy(world.new_cart(), method="card_requires_action", clock=clock).order
    done = stop(order.id, clock)
    assert (done.order.state, done.order.failure_code) == ("cancelled", "orders.cancelled")
    assert world.held("apple") == 0
    assert len(published(OrderFailed)) == 1


def test_order_whose_payment_is_unknown_is_stopped_and_voided(world: World, clock: Clock) -> None:
    """The charge that nobody heard of is given back."""
    world.fail("payment.authorize", LOST)
    order = buy(world.new_cart(), clock=clock).order
    stop(order.id, clock)
    settle(clock)
    assert get_order(order.id).state is OrderState.CANCELLED
    assert world.standing(order.id) == 0


def test_unknown_order_cannot_be_cancelled(world: World) -> None:
    """404 at the edge."""
    with pytest.raises(OrderNotFound):
        stop(UUID(int=9))


def test_version_that_was_not_seen_is_refused(world: World) -> None:
    """Somebody changed the order meanwhile."""
    order = buy(world.new_cart()).order
    command = CancelOrder(order_id=order.id, reason="", actor="me", expected_version=1)
    with pytest.raises(StaleVersion):
        cancel(command)


def test_shipping_that_does_not_answer_is_asked_again(world: World, clock: Clock) -> None:
    """Nobody may guess whether the goods have left: the order waits as CANCELLING."""
    order = buy(world.new_cart(), clock=clock).order
    world.fail("shipping.cancel", BEFORE, LOST, BEFORE)
    done = stop(order.id, clock)
    assert (done.order.state, done.pending) == (OrderState.CANCELLING, True)
    assert world.standing(order.id) > 0
    settle(clock)
    assert get_order(order.id).state is OrderState.CANCELLED
    assert world.standing(order.id) == 0


def test_second_cancellation_waits_for_the_first(world: World, clock: Clock) -> None:
    """One at a time: two at once could give the same piece back twice."""
    order = captured(world, apple=3)
    world.fail("payment.refund", BEFORE)
    assert stop(order.id, clock, apple=1).pending
    with pytest.raises(OrderNotCancellable):
        stop(order.id, clock, apple=1)
    settle(clock)
    assert not stop(order.id, clock, apple=1).pending
    assert world.accounts[order.id].refunded == 2000


def test_some_lines_are_cancelled_and_refunded(world: World) -> None:
    """The rest of the order stands."""
    order = captured(world, apple=3, pear=1)
    done = stop(order.id, apple=2)
    assert done.order.state is OrderState.CAPTURED
    assert [line.cancelled for line in done.order.lines] == [2, 0]
    assert world.accounts[order.id].refunded == 2000
    assert world.holds[order.id].lines == {"apple": 1, "pear": 1}
    assert world.stopped[order.id] == ["apple"]
    (event,) = published(OrderPartiallyCancelled)
    assert [(line.sku, line.quantity) for line in event.lines] == [("apple", 2)]
    assert event.refunded == usd(2000)


def test_cancelling_all_that_is_left_cancels_the_order(world: World) -> None:
    """Line by line comes to the same as all at once, postage included."""
    order = captured(world, apple=2, pear=1)
    stop(order.id, apple=2)
    with atomic("orders"):
        payment_refunded(order.id, refunded=usd(2000))
    done = stop(order.id, pear=1)
    assert done.order.state is OrderState.CANCELLED
    assert world.accounts[order.id].refunded == order.total.amount
    assert [event.refunded for event in published(OrderCancelled)] == [usd(1500)]


def test_refund_before_capture_waits_for_the_capture(world: World, clock: Clock) -> None:
    """Money that is only set aside cannot be refunded in part yet."""
    order = buy(world.new_cart(apple=2), clock=clock).order
    assert stop(order.id, clock, apple=1).pending
    settle(clock, hours=0.2)
    assert world.accounts[order.id].refunded == 0
    account = world.accounts[order.id]
    account.captured, account.authorized = account.authorized, 0
    settle(clock)
    assert account.refunded == 1000


@pytest.mark.parametrize("lines", [{"apple": 3}, {"plum": 1}])
def test_more_than_is_left_cannot_be_cancelled(world: World, lines: dict[str, int]) -> None:
    """Nothing is changed."""
    order = captured(world, apple=2, pear=1)
    with pytest.raises(LineNotCancellable):
        stop(order.id, **lines)
    assert get_order(order.id) == order


def test_refused_refund_is_left_to_a_person_who_settles_it(world: World, clock: Clock) -> None:
    """Manual after five refusals; done by hand, the order is cancelled after all."""
    from modules.payment.contract import NotCapturable, PaymentState

    order = captured(world, apple=1)
    refusal = NotCapturable(order_id=order.id, state=PaymentState.CAPTURED)
    world.always["payment.cancel"] = refusal
    stop(order.id, clock)
    settle(clock)
    assert get_order(order.id).state is OrderState.NEEDS_REVIEW
    (saga,) = [s for s in store.about("orders", str(order.id)) if s.type == "cancel_order"]
    (step,) = [s for s in saga.steps if s.state is StepState.MANUAL]
    steering.mark_done("orders", saga.id, step.number, reason="refunded at the bank", clock=clock)
    assert get_order(order.id).state is OrderState.CANCELLED
    assert world.holds[order.id].state is ReservationState.RELEASED


def test_flagged_order_whose_goods_have_left_is_flagged_no_more(world: World) -> None:
    """Its cancellation is refused, it stands again, and shipping hears that it does."""
    from modules.orders.service.lifecycle import capture_failed

    order = buy(world.new_cart()).order
    with atomic("orders"):
        capture_failed(order.id, reason="expired")
    world.dispatched.add(order.id)
    with pytest.raises(OrderNotCancellable):
        stop(order.id)
    assert get_order(order.id).state is OrderState.CONFIRMED
    assert [event.order_id for event in published(OrderReviewed)] == [order.id]


def test_reviewed_order_goes_on_where_it_stands(world: World) -> None:
    """A person looked and found it in order."""
    from modules.orders.service.lifecycle import capture_failed

    order = buy(world.new_cart()).order
    with atomic("orders"):
        capture_failed(order.id, reason="expired")
    assert get_order(order.id).state is OrderState.NEEDS_REVIEW
    mark_reviewed(order.id, reason="paid by transfer")
    assert get_order(order.id).state is OrderState.CONFIRMED
    assert [event.order_id for event in published(OrderReviewed)] == [order.id]
