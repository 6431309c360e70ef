"""The Cart port, by every way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest

from modules.cart.contract import (
    BeginCheckout,
    Cart,
    CartEmpty,
    CartLocked,
    CartNotFound,
    CompleteCheckout,
    CouponRefused,
    LineNotSellable,
    QuantityLimit,
    ReopenCart,
)
from modules.cart.service import CartService, carts, coupons
from modules.platform.binding import use
from modules.platform.contracts import Actor, Money
from tests.contracts.ways import Way
from tests.modules.cart.conftest import (
    NOW,
    FakeCatalog,
    catalog,
    customer,
    inventory,
    make_coupon,
    variant,
)

__all__ = ["catalog", "inventory"]  # fixtures
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("catalog", "inventory"),
]


@pytest.fixture
def cart(way: Way) -> Iterator[Callable[[], Cart]]:
    """How a caller reaches the port."""
    with way(Cart, CartService()):
        yield lambda: use(Cart)


def filled(sku: str = "TEA") -> tuple[UUID, Actor]:
    """A cart with two of ``sku``, and its owner."""
    actor = customer()
    made, _ = carts.open_cart(actor=actor, now=NOW)
    carts.add_line(cart_id=made.id, actor=actor, sku=sku, quantity=2, now=NOW)
    return made.id, actor


def begin(cart_id: UUID, actor: Actor, order_id: UUID) -> BeginCheckout:
    return BeginCheckout(
        idempotency_key="k", cart_id=cart_id, order_id=order_id, owners=actor.owners
    )


def test_the_snapshot_is_whole_and_the_same_again(cart: Callable[[], Cart]) -> None:
    """Lines, coupons and totals in the contract's own types; asking again gives the same."""
    make_coupon()
    cart_id, actor = filled()
    carts.add_coupon(cart_id=cart_id, actor=actor, code="TEN", now=NOW)
    order_id = uuid4()
    snapshot = cart().begin_checkout(begin(cart_id, actor, order_id))
    assert (snapshot.id, snapshot.owner, snapshot.coupons) == (
        cart_id,
        next(iter(actor.owners)),
        ("TEN",),
    )
    assert snapshot.subtotal == Money(amount=998, currency="EUR")
    assert snapshot.total == Money(amount=898, currency="EUR")
    assert snapshot.lines[0].total == snapshot.total
    assert cart().begin_checkout(begin(cart_id, actor, order_id)) == snapshot


def test_a_locked_cart_names_its_order(cart: Callable[[], Cart]) -> None:
    """Another order is refused with CartLocked, which says which order has it."""
    cart_id, actor = filled()
    order_id = uuid4()
    cart().begin_checkout(begin(cart_id, actor, order_id))
    with pytest.raises(CartLocked) as raised:
        cart().begin_checkout(begin(cart_id, actor, uuid4()))
    assert (raised.value.cart_id, raised.value.order_id) == (cart_id, order_id)


def test_completing_and_reopening_are_idempotent(cart: Callable[[], Cart]) -> None:
    """A cart goes round: locked, reopened, locked again, done; each step may be repeated."""
    cart_id, actor = filled()
    first, second = uuid4(), uuid4()
    cart().begin_checkout(begin(cart_id, actor, first))
    for _ in range(2):
        cart().reopen(ReopenCart(idempotency_key="k", cart_id=cart_id, order_id=first))
    cart().begin_checkout(begin(cart_id, actor, second))
    for _ in range(2):
        cart().complete_checkout(
            CompleteCheckout(idempotency_key="k", cart_id=cart_id, order_id=second)
        )
    cart().reopen(ReopenCart(idempotency_key="k", cart_id=uuid4(), order_id=second))
    with pytest.raises(CartLocked):
        cart().complete_checkout(
            CompleteCheckout(idempotency_key="k", cart_id=cart_id, order_id=first)
        )


def test_each_refusal_arrives_as_itself(cart: Callable[[], Cart], catalog: FakeCatalog) -> None:
    """CartNotFound, CartEmpty, LineNotSellable, QuantityLimit and CouponRefused cross the wire."""
    cart_id, actor = filled()
    with pytest.raises(CartNotFound):
        cart().begin_checkout(begin(cart_id, customer(), uuid4()))
    empty, _ = carts.open_cart(actor=actor, now=NOW)
    with pytest.raises(CartEmpty):
        cart().begin_checkout(begin(empty.id, actor, uuid4()))
    make_coupon()
    carts.add_coupon(cart_id=cart_id, actor=actor, code="TEN", now=NOW)
    coupons.change_coupon(code="TEN", values={"active": False})
    with pytest.raises(CouponRefused, match="not valid now"):
        cart().begin_checkout(begin(cart_id, actor, uuid4()))
    catalog.sells(variant("TEA", max_per_order=1))
    with pytest.raises(QuantityLimit, match="at most 1"):
        cart().begin_checkout(begin(cart_id, actor, uuid4()))
    catalog.known.clear()
    with pytest.raises(LineNotSellable, match="TEA"):
        cart().begin_checkout(begin(cart_id, actor, uuid4()))
