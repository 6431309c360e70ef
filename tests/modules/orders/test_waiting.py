"""Orders that wait for a payment module that is away: for a while, and then no longer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from modules.orders import variables
from modules.orders.contract import OrderCancelled, OrderConfirmed, OrderFailed, OrderState
from modules.orders.models import Order
from modules.orders.queries import get_order, timeline
from modules.orders.sagas import placing
from modules.orders.service import others
from modules.platform.hosting.environment import EnvError, Environment
from modules.platform.rpc import ModuleUnreachable
from modules.platform.sagas import store
from tests.modules.orders.conftest import Clock, buy, published, settle
from tests.modules.orders.fakes import World

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
PATIENCE = 300  # seconds


@pytest.fixture
def away(world: World, settings: Any) -> World:
    """Payment cannot be reached, and orders wait for five minutes."""
    settings.PAYMENT_PATIENCE = PATIENCE
    down = ModuleUnreachable(module="payment", method="payment.authorize", reason="refused")
    world.always |= {"payment.authorize": down, "payment.cancel": down}
    return world


def test_order_waits_and_says_for_what(away: World, clock: Clock) -> None:
    """Taken as pending; timeline and saga name payment and why; nothing is given back."""
    placement = buy(away.new_cart(apple=2), clock=clock)
    assert (placement.pending, placement.look_again) == (True, 5)
    assert placement.order.state is OrderState.RESERVED
    last = timeline(placement.order.id)[-1]
    assert (last.kind, last.detail.split(":")[0]) == ("payment_awaited", "rpc.unreachable")
    (saga,) = others.sagas_of(placement.order.id)
    assert "authorize pending (1 tried, rpc.unreachable: payment cannot be reached" in saga.detail
    assert ", again at " in saga.detail
    settle(clock, hours=0.05)
    assert get_order(placement.order.id).state is OrderState.RESERVED
    assert away.holds[placement.order.id].lines == {"apple": 2}


def test_order_is_finished_soon_after_payment_is_back(away: World, clock: Clock) -> None:
    """After minutes of waiting it is asked again within 15 s."""
    order = buy(away.new_cart(), clock=clock).order
    settle(clock, hours=0.06)
    away.always.clear()
    back = clock()
    settle(clock)
    assert get_order(order.id).state is OrderState.CONFIRMED
    entries = {entry.kind: entry.at for entry in timeline(order.id)}
    assert entries["confirmed"] - back <= timedelta(seconds=16)
    assert len(published(OrderConfirmed)) == 1
    assert away.accounts[order.id].charges == 1


def test_order_that_waited_too_long_ends_and_the_shopper_is_told_once(
    away: World, clock: Clock
) -> None:
    """Cancelled though payment is still away; stock and cart are free; one event, for one mail."""
    cart_id = away.new_cart(apple=2)
    begun = clock()
    order = buy(cart_id, clock=clock).order
    settle(clock, hours=0.2)
    assert get_order(order.id).state is OrderState.CANCELLED
    ended = timeline(order.id)[-1].at
    limit = timedelta(seconds=PATIENCE) + placing.AUTHORIZE_WITHIN
    assert limit <= ended - begun < limit + timedelta(seconds=20)
    assert away.held("apple") == 0
    assert away.carts[cart_id].locked_by is None
    assert [event.order_id for event in published(OrderFailed)] == [order.id]
    assert not published(OrderConfirmed)
    assert not published(OrderCancelled)


def test_payment_hears_of_it_when_it_is_back(away: World, clock: Clock) -> None:
    """What it may have set aside unheard is asked back for as long as it takes; then all rests."""
    order = buy(away.new_cart(), clock=clock).order
    settle(clock, hours=0.2)
    saga = store.load("orders", order.id)
    assert saga is not None
    assert [(step.kind, step.state) for step in saga.steps][-1] == ("cancel_payment", "pending")
    away.always.clear()
    settle(clock)
    done = store.load("orders", order.id)
    assert done is not None
    assert (done.status, done.state.phase) == ("done", placing.Phase.FAILED)
    assert len(published(OrderFailed)) == 1
    assert Order.objects.count() == 1


def test_patience_ends_before_the_stock_is_let_go() -> None:
    """What is configured is refused beyond that."""
    longest = timedelta(seconds=variables.LONGEST) + placing.AUTHORIZE_WITHIN
    assert longest + placing.AUTHORIZE_WITHIN < placing.RESERVED_FOR
    asked = Environment(variables.VARIABLES, {"PAYMENT_PATIENCE": str(variables.LONGEST + 1)})
    with pytest.raises(EnvError, match="PAYMENT_PATIENCE"):
        variables.settings(asked, home=None)  # type: ignore[arg-type]
