"""What a cart costs, and why: pure rules, in minor units. No Django."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from modules.cart.contract import CartLine
from modules.platform.contracts import Money

MAX_LINES = 100  # of a cart; what one catalogue call answers at once, five times over
MAX_QUANTITY = 999  # of one SKU; times the dearest price it still fits a bigint
MAX_COUPONS = 5  # on one cart
WHOLE = 10_000  # basis points


class CartState(StrEnum):
    """Where a cart stands. Only an open one changes."""

    OPEN = "open"
    CHECKOUT = "checkout"
    ORDERED = "ordered"
    MERGED = "merged"


class CouponKind(StrEnum):
    """What a coupon takes off: a share, or an amount."""

    PERCENT = "percent"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a coupon gives and under which conditions.

    ``basis_points`` for percent, ``amount`` (minor units of ``currency``) for fixed;
    ``min_subtotal`` is before discounts; limits None mean none; ``used`` counts standing orders,
    ``used_by_owner`` those of the cart's owner.
    """

    code: str
    kind: CouponKind
    basis_points: int = 0
    amount: int = 0
    currency: str = ""
    min_subtotal: int = 0
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    usage_limit: int | None = None
    owner_limit: int | None = None
    used: int = 0
    used_by_owner: int = 0
    combinable: bool = True
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """So many of one SKU, to be priced. ``tax_basis_points`` is the tax in ``unit_price``."""

    sku: str
    product_id: UUID
    name: str
    unit_price: Money
    quantity: int
    tax_basis_points: int = 0
    weight_grams: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the calculation, for people: ``2 x 19.99 EUR`` is ``amount``."""

    kind: str  # line, coupon, tax
    reference: str
    text: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What a cart costs. ``total`` = ``subtotal`` - ``discount``; ``tax`` is included in it."""

    currency: str
    lines: tuple[CartLine, ...]
    subtotal: Money
    discount: Money
    total: Money
    tax: Money
    steps: tuple[Step, ...]


def limit_of(max_per_order: int) -> int:
    """How many of a SKU one cart may hold; ``max_per_order`` 0 means that the SKU has no limit."""
    return min(max_per_order, MAX_QUANTITY) if max_per_order else MAX_QUANTITY


def refusal(
    terms: Terms, *, subtotal: Money, owner: str, now: datetime, beside: Sequence[Terms] = ()
) -> str | None:
    """Why the coupon does not apply, or None."""
    if not terms.active or (terms.starts_at and now < terms.starts_at):
        return "it is not valid now"
    if terms.ends_at and now >= terms.ends_at:
        return "it has expired"
    if terms.usage_limit is not None and terms.used >= terms.usage_limit:
        return "it is used up"
    if terms.owner_limit is not None:
        if not owner.startswith("customer:"):
            return "sign in to use it"
        if terms.used_by_owner >= terms.owner_limit:
            return "you have used it already"
    if terms.kind is CouponKind.FIXED and terms.currency != subtotal.currency:
        return f"it is in {terms.currency}"
    if subtotal.amount < terms.min_subtotal:
        least = Money(amount=terms.min_subtotal, currency=subtotal.currency)
        return f"it needs a subtotal of {least}"
    if any(not (terms.combinable and other.combinable) for other in beside):
        return "it cannot be combined"
    return None


def price(entries: Sequence[Entry], coupons: Sequence[Terms], *, currency: str) -> Priced:
    """The cart's price; ``coupons`` that apply, in the order in which they were added."""
    full = [entry.unit_price * entry.quantity for entry in entries]
    left = [money.amount for money in full]
    steps = [_line_step(entry, money) for entry, money in zip(entries, full, strict=True)]
    for terms in coupons:
        shares = split(_reduction(terms, sum(left)), left)
        left = [rest - share for rest, share in zip(left, shares, strict=True)]
        steps.append(_coupon_step(terms, sum(shares), currency))
    lines = tuple(
        _line(entry, money, rest) for entry, money, rest in zip(entries, full, left, strict=True)
    )
    tax = Money(amount=sum(line.tax.amount for line in lines), currency=currency)
    steps.append(Step(kind="tax", reference="", text="Tax included", amount=tax))
    subtotal = Money(amount=sum(money.amount for money in full), currency=currency)
    total = Money(amount=sum(left), currency=currency)
    return Priced(
        currency=currency,
        lines=lines,
        subtotal=subtotal,
        discount=subtotal - total,
        total=total,
        tax=tax,
        steps=tuple(steps),
    )


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """``amount`` in whole parts as near to ``weights`` as can be, and together exactly it.

    Largest remainder (Hamilton's method); no part exceeds its weight if ``amount`` does not
    exceed their sum.
    """
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    parts = [amount * weight // whole for weight in weights]
    remainders = [amount * weight % whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-remainders[i], i))
    for index in by_remainder[: amount - sum(parts)]:
        parts[index] += 1
    return parts


def tax_in(amount: int, basis_points: int) -> int:
    """The tax that is part of ``amount``, rounded half up."""
    whole = WHOLE + basis_points
    return (2 * amount * basis_points + whole) // (2 * whole)


def merged_quantity(one: int, other: int, max_per_order: int = 0) -> int:
    """Both together, as far as the limits allow."""
    return min(one + other, limit_of(max_per_order))


def _reduction(terms: Terms, base: int) -> int:
    match terms.kind:
        case CouponKind.PERCENT:
            return Money(amount=base, currency="XXX").percent(terms.basis_points).amount
        case CouponKind.FIXED:
            return min(terms.amount, base)


def _line(entry: Entry, full: Money, left: int) -> CartLine:
    total = replace(full, amount=left)
    return CartLine(
        sku=entry.sku,
        product_id=entry.product_id,
        name=entry.name,
        quantity=entry.quantity,
        unit_price=entry.unit_price,
        discount=full - total,
        total=total,
        tax=replace(full, amount=tax_in(left, entry.tax_basis_points)),
        tax_basis_points=entry.tax_basis_points,
        weight_grams=entry.weight_grams,
    )


def _line_step(entry: Entry, full: Money) -> Step:
    text = f"{entry.quantity} x {entry.unit_price}"
    return Step(kind="line", reference=entry.sku, text=text, amount=full)


def _coupon_step(terms: Terms, amount: int, currency: str) -> Step:
    off = Money(amount=-amount, currency=currency)
    match terms.kind:
        case CouponKind.PERCENT:
            text = f"{terms.basis_points / 100:g} % off"
        case CouponKind.FIXED:
            text = f"{Money(amount=terms.amount, currency=terms.currency)} off"
    return Step(kind="coupon", reference=terms.code, text=text, amount=off)
