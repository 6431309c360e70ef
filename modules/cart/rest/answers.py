"""Carts and coupons as clients see them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from modules.cart.contract import CartLine, CartSnapshot
from modules.cart.domain import Priced, Step
from modules.cart.service.pricing import Facts, PricedCart, Warning
from modules.cart.store import StoredCart, StoredLine
from modules.platform.contracts import Money
from modules.platform.contracts.codec import decode
from modules.platform.rest.identifiers import ids

CART, PRD, ORD = ids("cart"), ids("prd"), ids("ord")


class LineShown(msgspec.Struct, kw_only=True):
    """One SKU. ``total`` = ``unit_price`` x ``quantity`` - ``discount``, ``tax`` included; a line
    that is not ``sellable`` counts for nothing and blocks the order."""

    sku: str
    product_id: str | None
    name: str
    quantity: int
    sellable: bool
    unit_price: Money | None
    discount: Money | None
    total: Money | None
    tax: Money | None
    image_url: str


class CouponShown(msgspec.Struct, kw_only=True):
    """A coupon on the cart; ``reason`` says why it does not apply."""

    code: str
    applied: bool
    reason: str | None


class CartShown(msgspec.Struct, kw_only=True):
    """A cart with today's prices; once it is ordered, with those of the order.

    ``explanation`` is the calculation step by step: its lines and coupons add up to ``total``.
    """

    id: str
    state: str
    currency: str
    lines: list[LineShown]
    coupons: list[CouponShown]
    subtotal: Money
    discount: Money
    total: Money
    tax: Money
    warnings: list[Warning]
    explanation: list[Step]
    order_id: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class NewCart(CartShown, kw_only=True):
    """A new cart. ``token`` is a guest's ``Cart-Token``: it is shown this once; null for
    customers, whose access token is enough."""

    token: str | None


class CartEntry(msgspec.Struct, kw_only=True):
    """A cart in a list."""

    id: str
    state: str
    currency: str
    order_id: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class CouponEntry(msgspec.Struct, kw_only=True):
    """A coupon as staff see it."""

    code: str
    description: str
    kind: str
    basis_points: int
    amount: int
    currency: str
    min_subtotal: int
    starts_at: datetime | None
    ends_at: datetime | None
    usage_limit: int | None
    owner_limit: int | None
    combinable: bool
    active: bool
    used: int
    version: int


def cart_shown(found: PricedCart) -> CartShown:
    """An open cart at today's prices, a locked one as it was priced for its order."""
    cart = found.cart
    if cart.snapshot:
        return _of_snapshot(cart, decode(cart.snapshot.encode(), CartSnapshot))
    lines = {line.sku: line for line in found.priced.lines}
    return _shown(
        cart,
        found.priced,
        lines=[_line(line, lines.get(line.sku), found.facts.get(line.sku)) for line in cart.lines],
        coupons=[
            CouponShown(
                code=code, applied=code not in found.refused, reason=found.refused.get(code)
            )
            for code in cart.coupons
        ],
        warnings=list(found.warnings),
    )


def new_cart(cart: StoredCart, token: str | None, currency: str) -> NewCart:
    """An empty cart, which needs nobody's prices."""
    zero = Money.zero(currency)
    return NewCart(
        id=CART.text(cart.id),
        token=token,
        state=cart.state,
        currency=currency,
        lines=[],
        coupons=[],
        subtotal=zero,
        discount=zero,
        total=zero,
        tax=zero,
        warnings=[],
        explanation=[],
        order_id=None,
        version=cart.version,
        created_at=cart.created_at,
        updated_at=cart.updated_at,
    )


def coupon_entry(row: object) -> CouponEntry:
    """A coupon's row, whose columns have the entry's names."""
    return CouponEntry(**{name: getattr(row, name) for name in CouponEntry.__struct_fields__})


def _of_snapshot(cart: StoredCart, snapshot: CartSnapshot) -> CartShown:
    steps = [
        Step(
            kind="line",
            reference=line.sku,
            text=f"{line.quantity} x {line.unit_price}",
            amount=line.unit_price * line.quantity,
        )
        for line in snapshot.lines
    ]
    if snapshot.discount.amount:
        codes = ", ".join(snapshot.coupons)
        steps.append(
            Step(kind="coupon", reference=codes, text="Coupons", amount=-snapshot.discount)
        )
    steps.append(Step(kind="tax", reference="", text="Tax included", amount=snapshot.tax))
    priced = Priced(
        currency=snapshot.currency,
        lines=snapshot.lines,
        subtotal=snapshot.subtotal,
        discount=snapshot.discount,
        total=snapshot.total,
        tax=snapshot.tax,
        steps=tuple(steps),
    )
    return _shown(
        cart,
        priced,
        lines=[_sold(line, "") for line in snapshot.lines],
        coupons=[CouponShown(code=code, applied=True, reason=None) for code in snapshot.coupons],
        warnings=[],
    )


def _shown(
    cart: StoredCart,
    priced: Priced,
    *,
    lines: list[LineShown],
    coupons: list[CouponShown],
    warnings: list[Warning],
) -> CartShown:
    return CartShown(
        id=CART.text(cart.id),
        state=cart.state,
        currency=priced.currency,
        lines=lines,
        coupons=coupons,
        subtotal=priced.subtotal,
        discount=priced.discount,
        total=priced.total,
        tax=priced.tax,
        warnings=warnings,
        explanation=list(priced.steps),
        order_id=ORD.text(cart.order_id) if cart.order_id else None,
        version=cart.version,
        created_at=cart.created_at,
        updated_at=cart.updated_at,
    )


def _line(stored: StoredLine, line: CartLine | None, facts: Facts | None) -> LineShown:
    if line is not None:
        return _sold(line, facts.image_url if facts else "")
    return LineShown(
        sku=stored.sku,
        product_id=PRD.text(facts.product_id) if facts else None,
        name=facts.name if facts else stored.sku,
        quantity=stored.quantity,
        sellable=False,
        unit_price=None,
        discount=None,
        total=None,
        tax=None,
        image_url=facts.image_url if facts else "",
    )


def _sold(line: CartLine, image_url: str) -> LineShown:
    return LineShown(
        sku=line.sku,
        product_id=PRD.text(line.product_id),
        name=line.name,
        quantity=line.quantity,
        sellable=True,
        unit_price=line.unit_price,
        discount=line.discount,
        total=line.total,
        tax=line.tax,
        image_url=image_url,
    )
