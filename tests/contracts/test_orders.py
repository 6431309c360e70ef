"""The contract of orders, answered by every way."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from modules.orders.contract import Order, Orders, OrderState
from modules.orders.service import OrdersService
from modules.platform.binding import methods_of, use
from modules.platform.contracts.codec import decode, encode
from modules.platform.messaging.carrier import InlineCarrier, carried_by
from tests.contracts.ways import Way
from tests.modules.orders.conftest import buy
from tests.modules.orders.fakes import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port(way: Way) -> Iterator[Orders]:
    """The port, as its callers have it."""
    with way(Orders, OrdersService()):
        yield use(Orders)


@pytest.fixture
def sold() -> Iterator[Order]:
    """An order that was placed."""
    with carried_by(InlineCarrier()), World().bound() as world:
        yield buy(world.new_cart(apple=2, pear=1)).order


def test_orders_are_given_as_they_are(port: Orders, sold: Order) -> None:
    """Lines, amounts, addresses and states."""
    assert port.orders(ids=(sold.id,)) == (sold,)
    assert sold.state is OrderState.CONFIRMED


def test_unknown_orders_are_left_out(port: Orders, sold: Order) -> None:
    """Nobody is told which ids exist."""
    assert port.orders(ids=(uuid4(), sold.id, uuid4())) == (sold,)
    assert port.orders(ids=()) == ()


def test_at_most_500_orders_a_call(port: Orders, sold: Order) -> None:
    """The rest is not looked at."""
    ids = tuple(uuid4() for _ in range(500))
    assert port.orders(ids=(*ids, sold.id)) == ()


def test_every_event_survives_the_wire(sold: Order) -> None:
    """What is published can be read again."""
    from modules.orders import events

    for event in (
        events.confirmed(sold),
        events.failed(sold),
        events.cancelled(sold, reason="x", refunded=sold.total),
        events.partially_cancelled(sold, lines=sold.lines, refunded=sold.total),
        events.returned(sold, lines=sold.lines, refunded=sold.total),
        events.needs_review(sold, reason="x"),
        events.reviewed(sold),
    ):
        assert decode(encode(event), type(event)) == event
        assert event.key() == str(sold.id)


def test_port_keeps_the_rules_of_contracts() -> None:
    """Keyword-only, frozen, no dict: it could cross a network."""
    assert set(methods_of(Orders)) == {"orders"}
