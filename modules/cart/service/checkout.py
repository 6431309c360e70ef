"""A cart on its way to become an order: locked and priced for one order, done, or open again."""

from __future__ import annotations

from datetime import datetime

from modules.cart import store
from modules.cart.contract import (
    BeginCheckout,
    CartCheckedOut,
    CartEmpty,
    CartLocked,
    CartNotFound,
    CartSnapshot,
    CompleteCheckout,
    CouponRefused,
    ReopenCart,
)
from modules.cart.domain import CartState
from modules.cart.models import Cart
from modules.cart.service import coupons
from modules.cart.service.carts import ATTEMPTS, checked
from modules.cart.service.neighbours import variants_of
from modules.cart.service.pricing import PricedCart, priced_cart
from modules.cart.store import StoredCart
from modules.platform.contracts import Unavailable
from modules.platform.contracts.codec import decode, encode
from modules.platform.databases import atomic
from modules.platform.messaging import publish


def begin(command: BeginCheckout, *, now: datetime) -> CartSnapshot:
    """Lock and price the cart for the order; the same order gets the same snapshot again.

    Raises CartNotFound, CartEmpty, CartLocked, LineNotSellable, QuantityLimit, CouponRefused.
    """
    for _ in range(ATTEMPTS):
        cart = store.read(command.cart_id)
        if cart is None or cart.state is CartState.MERGED or cart.owner not in command.owners:
            raise CartNotFound(cart_id=command.cart_id)
        if cart.order_id == command.order_id:
            return decode(cart.snapshot.encode(), CartSnapshot)
        if cart.order_id is not None:
            raise CartLocked(cart_id=cart.id, order_id=cart.order_id)
        snapshot = _final(cart, now)
        if _lock(cart, snapshot, command, now):
            return snapshot
    raise Unavailable


def complete(command: CompleteCheckout, *, now: datetime) -> None:
    """The order stands. Idempotent. Raises CartNotFound, CartLocked."""
    with atomic("cart"):
        done = Cart.objects.filter(
            id=command.cart_id, order_id=command.order_id, state=CartState.CHECKOUT
        ).update(state=CartState.ORDERED, updated_at=now)
        if done:
            publish(CartCheckedOut(cart_id=command.cart_id, order_id=command.order_id))
            return
    cart = store.read(command.cart_id)
    if cart is None or cart.order_id is None:
        raise CartNotFound(cart_id=command.cart_id)
    if cart.order_id != command.order_id:
        raise CartLocked(cart_id=cart.id, order_id=cart.order_id)


def reopen(command: ReopenCart, *, now: datetime) -> None:
    """The order failed: the cart may change again and its coupons are unused. Idempotent."""
    with atomic("cart"):
        cart = (
            Cart.objects.select_for_update()
            .filter(id=command.cart_id, order_id=command.order_id, state=CartState.CHECKOUT)
            .first()
        )
        if cart is None:
            return
        if cart.coupons:
            coupons.give_back(order_id=command.order_id)
        cart.state, cart.order_id, cart.snapshot = CartState.OPEN.value, None, ""
        cart.version += 1
        cart.updated_at = now
        cart.save()


def _final(cart: StoredCart, now: datetime) -> CartSnapshot:
    if not cart.lines:
        raise CartEmpty(cart_id=cart.id)
    variants = variants_of(line.sku for line in cart.lines)
    for line in cart.lines:
        checked(cart, variants.get(line.sku), line.sku, line.quantity)
    # Stock is the reservation's business; asking here would only be a guess.
    final = priced_cart(cart, variants, now=now, stock=False)
    for code, reason in final.refused.items():
        raise CouponRefused(coupon=code, reason=reason)
    return snapshot_of(final)


def snapshot_of(final: PricedCart) -> CartSnapshot:
    """The priced cart as the contract has it."""
    priced = final.priced
    return CartSnapshot(
        id=final.cart.id,
        owner=final.cart.owner,
        currency=priced.currency,
        lines=priced.lines,
        coupons=final.cart.coupons,
        subtotal=priced.subtotal,
        discount=priced.discount,
        total=priced.total,
        tax=priced.tax,
    )


def _lock(cart: StoredCart, snapshot: CartSnapshot, command: BeginCheckout, now: datetime) -> bool:
    text = encode(snapshot).decode()
    if not cart.coupons:
        return store.lock(cart, order_id=command.order_id, snapshot=text, now=now)
    with atomic("cart"):
        if not store.lock(cart, order_id=command.order_id, snapshot=text, now=now):
            return False
        coupons.take(
            cart.coupons, order_id=command.order_id, cart_id=cart.id, owner=cart.owner, now=now
        )
    return True
