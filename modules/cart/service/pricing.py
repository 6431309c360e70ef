"""A cart with today's prices, its coupons and what the shopper should know about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from modules.cart.domain import Entry, Priced, Terms, price, refusal
from modules.cart.service.coupons import terms_of
from modules.cart.service.neighbours import availability_of
from modules.cart.store import StoredCart, StoredLine
from modules.catalog.contract import Variant
from modules.inventory.contract import Availability
from modules.platform.contracts import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Warning:
    """Something changed. ``reference`` is a SKU, or a coupon's code; ``code`` is stable."""

    code: str
    reference: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a cart shows of a SKU beside its price."""

    product_id: UUID
    name: str
    image_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedCart:
    """A cart and what it costs now. ``refused`` maps coupons that do not apply to the reason;
    ``facts`` has those SKUs that the catalogue still knows."""

    cart: StoredCart
    facts: dict[str, Facts]
    priced: Priced
    refused: dict[str, str]
    warnings: tuple[Warning, ...]


def priced_cart(
    cart: StoredCart, variants: dict[str, Variant], *, now: datetime, stock: bool = True
) -> PricedCart:
    """Lines that cannot be sold count for nothing; so do coupons that do not apply."""
    currency = cart.currency or settings.SHOP_CURRENCY
    sold = [line for line in cart.lines if sellable(line, variants, currency)]
    entries = [_entry(variants[line.sku], line.quantity) for line in sold]
    subtotal = Money(
        amount=sum(entry.unit_price.amount * entry.quantity for entry in entries),
        currency=currency,
    )
    applied, refused = _coupons(cart, subtotal, now)
    known = availability_of(line.sku for line in sold) if stock else None
    return PricedCart(
        cart=cart,
        facts={
            sku: Facts(product_id=v.product_id, name=v.name, image_url=v.image_url)
            for sku, v in variants.items()
        },
        priced=price(entries, applied, currency=currency),
        refused=refused,
        warnings=(
            *_line_warnings(cart.lines, variants, currency),
            *(_stock_warnings(sold, known) if known is not None else ()),
            *(
                Warning(code="coupon_refused", reference=code, detail=f"Not applied: {reason}.")
                for code, reason in refused.items()
            ),
        ),
    )


def sellable(line: StoredLine, variants: dict[str, Variant], currency: str) -> bool:
    """Whether the line can be ordered: known, on sale, in the cart's currency."""
    variant = variants.get(line.sku)
    return variant is not None and variant.sellable and variant.price.currency == currency


def _entry(variant: Variant, quantity: int) -> Entry:
    return Entry(
        sku=variant.sku,
        product_id=variant.product_id,
        name=variant.name,
        unit_price=variant.price,
        quantity=quantity,
        tax_basis_points=variant.tax_basis_points,
        weight_grams=variant.weight_grams,
    )


def _coupons(
    cart: StoredCart, subtotal: Money, now: datetime
) -> tuple[list[Terms], dict[str, str]]:
    if not cart.coupons:
        return [], {}
    known = terms_of(cart.coupons, owner=cart.owner)
    applied: list[Terms] = []
    refused: dict[str, str] = {}
    for code in cart.coupons:
        terms = known.get(code)
        reason: str | None = "it no longer exists"
        if terms is not None:
            reason = refusal(terms, subtotal=subtotal, owner=cart.owner, now=now, beside=applied)
            if reason is None:
                applied.append(terms)
        if reason is not None:
            refused[code] = reason
    return applied, refused


def _line_warnings(
    lines: Sequence[StoredLine], variants: dict[str, Variant], currency: str
) -> list[Warning]:
    found = []
    for line in lines:
        if not sellable(line, variants, currency):
            detail = "It is not for sale any more."
            found.append(Warning(code="not_for_sale", reference=line.sku, detail=detail))
            continue
        now = variants[line.sku].price
        if now.amount != line.seen_amount:
            before = Money(amount=line.seen_amount, currency=now.currency)
            detail = f"It was {before} and costs {now} now."
            found.append(Warning(code="price_changed", reference=line.sku, detail=detail))
    return found


def _stock_warnings(lines: Sequence[StoredLine], known: dict[str, Availability]) -> list[Warning]:
    found = []
    for line in lines:
        stock = known.get(line.sku)
        if stock is not None and (stock.backorderable or stock.available >= line.quantity):
            continue
        left = stock.available if stock else 0
        code = "low_stock" if left else "out_of_stock"
        detail = f"Only {left} left." if left else "It is out of stock."
        found.append(Warning(code=code, reference=line.sku, detail=detail))
    return found
