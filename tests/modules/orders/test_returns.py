"""Returns: announced, received, settled."""

from __future__ import annotations

from uuid import UUID

import pytest

from modules.inventory.contract import StockLine
from modules.orders.contract import (
    FulfilmentState,
    NotReturnable,
    Order,
    OrderReturned,
    OrderState,
    OrderStateConflict,
)
from modules.orders.domain.states import ReturnState
from modules.orders.queries import get_order
from modules.orders.service.lifecycle import (
    payment_captured,
    payment_refunded,
    shipment_delivered,
    shipment_dispatched,
)
from modules.orders.service.returns import receive_return, reject_return, request_return
from modules.platform.databases import atomic
from tests.modules.orders.conftest import Clock, buy, published, settle
from tests.modules.orders.fakes import BEFORE, World, usd

pytestmark = pytest.mark.django_db(transaction=True)


def deliver(world: World, cart_id: UUID) -> Order:
    """An order that is paid and delivered."""
    owner = world.carts[cart_id].owner
    order = buy(cart_id, owner=owner).order
    world.accounts[order.id].captured = world.accounts[order.id].authorized
    world.accounts[order.id].authorized = 0
    with atomic("orders"):
        payment_captured(order.id)
        shipment_dispatched(order.id, complete=True, tracking="T1")
        shipment_delivered(order.id, complete=True)
    return get_order(order.id)


def back(**quantities: int) -> list[StockLine]:
    return [StockLine(sku=sku, quantity=count) for sku, count in quantities.items()]


def ask(order: Order, **quantities: int) -> UUID:
    return request_return(order.id, lines=back(**quantities), reason="", actor="me").id


def receive(order: Order, return_id: UUID, accepted: list[StockLine] | None = None) -> ReturnState:
    found = receive_return(order.id, return_id, accepted=accepted, restock=True, actor="staff")
    return found.state


def test_only_delivered_goods_can_come_back(world: World) -> None:
    """An order that is only confirmed is cancelled, not returned."""
    order = buy(world.new_cart()).order
    with pytest.raises(OrderStateConflict):
        ask(order, apple=1)


def test_no_more_comes_back_than_was_bought(world: World) -> None:
    """Announced pieces count: two returns cannot share one piece."""
    order = deliver(world, world.new_cart(apple=2))
    with pytest.raises(NotReturnable):
        ask(order, apple=3)
    with pytest.raises(NotReturnable):
        ask(order, plum=1)
    ask(order, apple=2)
    with pytest.raises(NotReturnable):
        ask(order, apple=1)


def test_rejected_return_frees_its_pieces(world: World) -> None:
    """They can be announced again."""
    order = deliver(world, world.new_cart(apple=2))
    return_id = ask(order, apple=2)
    reject_return(order.id, return_id, reason="worn out", actor="staff")
    with pytest.raises(OrderStateConflict):
        receive(order, return_id)
    assert receive(order, ask(order, apple=2)) is ReturnState.REFUNDED


def test_all_returned_order_is_refunded(world: World) -> None:
    """Everything back: the order ends as refunded, its goods as returned."""
    order = deliver(world, world.new_cart(apple=2))
    receive(order, ask(order, apple=2))
    after = get_order(order.id)
    assert after.state is OrderState.REFUNDED
    assert after.fulfilment_state is FulfilmentState.RETURNED
    assert [event.refunded for event in published(OrderReturned)] == [usd(2000)]


def test_what_is_not_accepted_is_not_refunded(world: World) -> None:
    """The shopper announced two and sent one."""
    order = deliver(world, world.new_cart(apple=2))
    receive(order, ask(order, apple=2), back(apple=1))
    after = get_order(order.id)
    assert (after.state, after.lines[0].returned) == (OrderState.DELIVERED, 1)
    assert world.accounts[order.id].refunded == 1000
    ask(order, apple=1)


def test_receiving_twice_refunds_once(world: World) -> None:
    """The second call finds it done."""
    order = deliver(world, world.new_cart(apple=2))
    return_id = ask(order, apple=1)
    receive(order, return_id)
    receive(order, return_id)
    assert world.accounts[order.id].refunded == 1000
    assert world.restocked["apple"] == 1


def test_refund_that_fails_goes_on_in_the_background(world: World, clock: Clock) -> None:
    """The return stays received until the money is back."""
    world.fail("payment.refund", BEFORE, BEFORE)
    order = deliver(world, world.new_cart(apple=2))
    return_id = ask(order, apple=1)
    assert receive(order, return_id) is ReturnState.RECEIVED
    settle(clock)
    assert world.accounts[order.id].refunded == 1000
    assert receive(order, return_id) is ReturnState.REFUNDED


def test_parts_of_a_line_refund_exactly_the_line(world: World) -> None:
    """Three pieces for 1000 give back 333 + 333 + 334."""
    order = deliver(world, world.new_cart(price=333, apple=3))
    for _ in range(3):
        receive(order, ask(order, apple=1))
    assert world.accounts[order.id].refunded == 999


def test_refund_told_by_payment_is_on_the_order(world: World) -> None:
    """payment's event carries the total so far."""
    order = deliver(world, world.new_cart(apple=2))
    with atomic("orders"):
        payment_refunded(order.id, refunded=usd(1000))
    after = get_order(order.id)
    assert (after.refunded, after.payment_state) == (1000, "partially_refunded")
