"""Open a cart, fill it, change it. Quantities and prices are the shop's word, not the client's."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from modules.cart import store
from modules.cart.contract import (
    CartLocked,
    CartNotFound,
    CouponNotFound,
    CouponRefused,
    CurrencyMismatch,
    LineNotFound,
    LineNotSellable,
    QuantityLimit,
    TooManyLines,
)
from modules.cart.domain import MAX_COUPONS, MAX_LINES, CartState, limit_of
from modules.cart.service.neighbours import variants_of
from modules.cart.service.pricing import PricedCart, priced_cart
from modules.cart.store import StoredCart, StoredLine
from modules.catalog.contract import Variant
from modules.platform.contracts import Actor, StaleVersion, Unavailable
from modules.platform.rest.authentication import guest_owner
from modules.platform.rest.identifiers import new_id

ATTEMPTS = 20  # races with oneself: the same cart in two tabs; each attempt reads again
TOKEN_BYTES = 32  # of a guest's Cart-Token


def open_cart(*, actor: Actor, now: datetime) -> tuple[StoredCart, str | None]:
    """A new cart, and the token that proves a guest's ownership (None for customers).

    Only the token's SHA-256 is stored. A guest gets a token of the shop's making, never one of
    their own choice.
    """
    owner = customer_of(actor)
    token = None
    if owner is None:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        owner = guest_owner(token)
    cart_id = new_id()
    store.create(cart_id, owner=owner, now=now)
    return StoredCart(
        id=cart_id,
        owner=owner,
        state=CartState.OPEN,
        currency="",
        coupons=(),
        order_id=None,
        merged_into=None,
        snapshot="",
        version=1,
        created_at=now,
        updated_at=now,
        lines=(),
    ), token


def customer_of(actor: Actor) -> str | None:
    """The actor's ``customer:<uuid>``, if it is one."""
    return next((owner for owner in actor.owners if owner.startswith("customer:")), None)


def visible_cart(cart_id: UUID, *, actor: Actor) -> StoredCart:
    """The cart, for its owner or staff. Raises CartNotFound."""
    cart = store.read(cart_id)
    if cart is None or cart.state is CartState.MERGED:
        raise CartNotFound(cart_id=cart_id)
    if not (actor.owns(cart.owner) or actor.may("cart:read")):
        raise CartNotFound(cart_id=cart_id)
    return cart


def show(cart: StoredCart, *, now: datetime) -> PricedCart:
    """The cart with today's prices and warnings."""
    return priced_cart(cart, variants_of(line.sku for line in cart.lines), now=now)


def add_line(
    *,
    cart_id: UUID,
    actor: Actor,
    sku: str,
    quantity: int,
    now: datetime,
    expected_version: int | None = None,
) -> PricedCart:
    """``quantity`` more of the SKU.

    Raises CartNotFound, CartLocked, StaleVersion, LineNotSellable, CurrencyMismatch,
    QuantityLimit, TooManyLines.
    """

    def change(cart: StoredCart) -> PricedCart | None:
        before = cart.line(sku)
        if before is None and len(cart.lines) >= MAX_LINES:
            raise TooManyLines(limit=MAX_LINES)
        wanted = quantity + (before.quantity if before else 0)
        return _put(cart, sku, wanted, now=now)

    return _attempt(change, cart_id, actor, expected_version)


def change_line(
    *,
    cart_id: UUID,
    actor: Actor,
    sku: str,
    quantity: int,
    now: datetime,
    expected_version: int | None = None,
) -> PricedCart:
    """Exactly ``quantity`` of a SKU that is in the cart.

    Raises CartNotFound, CartLocked, StaleVersion, LineNotFound, LineNotSellable,
    CurrencyMismatch, QuantityLimit.
    """

    def change(cart: StoredCart) -> PricedCart | None:
        if cart.line(sku) is None:
            raise LineNotFound(sku=sku)
        return _put(cart, sku, quantity, now=now)

    return _attempt(change, cart_id, actor, expected_version)


def remove_line(
    *,
    cart_id: UUID,
    actor: Actor,
    sku: str,
    now: datetime,
    expected_version: int | None = None,
) -> PricedCart:
    """Raises CartNotFound, CartLocked, StaleVersion, LineNotFound."""

    def change(cart: StoredCart) -> PricedCart | None:
        if cart.line(sku) is None:
            raise LineNotFound(sku=sku)
        left = tuple(line for line in cart.lines if line.sku != sku)
        currency = cart.currency if left else ""
        variants = variants_of(line.sku for line in left)
        if not store.drop_line(cart, sku, currency=currency, now=now):
            return None
        return priced_cart(_next(cart, now, lines=left, currency=currency), variants, now=now)

    return _attempt(change, cart_id, actor, expected_version)


def add_coupon(
    *,
    cart_id: UUID,
    actor: Actor,
    code: str,
    now: datetime,
    expected_version: int | None = None,
) -> PricedCart:
    """Raises CartNotFound, CartLocked, StaleVersion, CouponRefused with the reason."""
    code = code.strip().upper()

    def change(cart: StoredCart) -> PricedCart | None:
        codes = tuple(dict.fromkeys((*cart.coupons, code)))
        if len(codes) > MAX_COUPONS:
            raise CouponRefused(coupon=code, reason=f"a cart may have at most {MAX_COUPONS}")
        after = show(_next(cart, now, coupons=codes), now=now)
        if code in after.refused:
            raise CouponRefused(coupon=code, reason=after.refused[code])
        return after if store.set_coupons(cart, codes, now=now) else None

    return _attempt(change, cart_id, actor, expected_version)


def remove_coupon(
    *,
    cart_id: UUID,
    actor: Actor,
    code: str,
    now: datetime,
    expected_version: int | None = None,
) -> PricedCart:
    """Raises CartNotFound, CartLocked, StaleVersion, CouponNotFound."""
    code = code.strip().upper()

    def change(cart: StoredCart) -> PricedCart | None:
        if code not in cart.coupons:
            raise CouponNotFound(coupon=code)
        codes = tuple(each for each in cart.coupons if each != code)
        if not store.set_coupons(cart, codes, now=now):
            return None
        return show(_next(cart, now, coupons=codes), now=now)

    return _attempt(change, cart_id, actor, expected_version)


def _attempt(
    change: Callable[[StoredCart], PricedCart | None],
    cart_id: UUID,
    actor: Actor,
    expected_version: int | None,
) -> PricedCart:
    """Read, check, change; and again when somebody else changed it in between."""
    for _ in range(ATTEMPTS):
        cart = store.read(cart_id)
        if cart is None or cart.state is CartState.MERGED or not actor.owns(cart.owner):
            raise CartNotFound(cart_id=cart_id)
        if cart.order_id is not None:
            raise CartLocked(cart_id=cart_id, order_id=cart.order_id)
        if expected_version is not None and cart.version != expected_version:
            raise StaleVersion(expected=expected_version, actual=cart.version)
        done = change(cart)
        if done is not None:
            return done
    raise Unavailable


def _put(cart: StoredCart, sku: str, quantity: int, *, now: datetime) -> PricedCart | None:
    variants = variants_of({*(line.sku for line in cart.lines), sku})
    variant = checked(cart, variants.get(sku), sku, quantity)
    currency = cart.currency or variant.price.currency
    line = StoredLine(sku, quantity, variant.price.amount)
    if not store.put_line(cart, line, currency=currency, now=now):
        return None
    known = cart.line(sku) is not None
    lines = (
        tuple(line if each.sku == sku else each for each in cart.lines)
        if known
        else (*cart.lines, line)
    )
    return priced_cart(_next(cart, now, lines=lines, currency=currency), variants, now=now)


def checked(cart: StoredCart, variant: Variant | None, sku: str, quantity: int) -> Variant:
    """The variant if the cart may hold so many of it.

    Raises LineNotSellable, CurrencyMismatch, QuantityLimit.
    """
    if variant is None or not variant.sellable:
        raise LineNotSellable(sku=sku)
    if cart.currency and variant.price.currency != cart.currency:
        raise CurrencyMismatch(sku=sku, currency=cart.currency)
    limit = limit_of(variant.max_per_order)
    if quantity > limit:
        raise QuantityLimit(sku=sku, limit=limit)
    return variant


def _next(
    cart: StoredCart,
    now: datetime,
    *,
    lines: tuple[StoredLine, ...] | None = None,
    currency: str | None = None,
    coupons: tuple[str, ...] | None = None,
) -> StoredCart:
    """What the statement just made of the cart, without reading it again."""
    return StoredCart(
        id=cart.id,
        owner=cart.owner,
        state=cart.state,
        currency=cart.currency if currency is None else currency,
        coupons=cart.coupons if coupons is None else coupons,
        order_id=None,
        merged_into=None,
        snapshot="",
        version=cart.version + 1,
        created_at=cart.created_at,
        updated_at=now,
        lines=cart.lines if lines is None else lines,
    )
