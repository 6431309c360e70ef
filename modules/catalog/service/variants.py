"""Add, change and remove the SKUs of a product; every price is kept with its period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from modules.catalog.contract import (
    CurrenciesMixed,
    NotPublishable,
    PriceChanged,
    SkuTaken,
    VariantNotFound,
)
from modules.catalog.domain import MAX_VARIANTS, SKU, ProductStatus
from modules.catalog.models import PriceRow, Product, Variant
from modules.catalog.service.aggregate import changing
from modules.catalog.service.attributes import checked
from modules.catalog.service.conflicts import conflicts_as
from modules.platform.contracts import Money
from modules.platform.messaging import publish

CHANGEABLE = frozenset({"name", "price", "weight_grams", "max_per_order", "attributes", "position"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVariant:
    """A SKU to add. ``price`` includes tax; ``max_per_order`` 0 means no limit."""

    sku: str
    price: Money
    name: str = ""
    weight_grams: int = 0
    max_per_order: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)


def add_variant(
    *,
    product_id: UUID,
    new: NewVariant,
    now: datetime,
    expected_version: int | None = None,
    by: str = "",
) -> Variant:
    """The new SKU, behind the others.

    Raises ProductNotFound, StaleVersion, SkuTaken, CurrenciesMixed, AttributeInvalid.
    """
    with (
        conflicts_as({"sku": SkuTaken(sku=new.sku)}),
        changing(product_id, expected_version=expected_version, now=now) as product,
    ):
        return insert_variant(product, new, position=product.variants.count(), now=now, by=by)


def insert_variant(
    product: Product, new: NewVariant, *, position: int, now: datetime, by: str
) -> Variant:
    """Add the SKU inside the caller's transaction, which saves the product afterwards."""
    if position >= MAX_VARIANTS:
        raise NotPublishable(
            reference=product.slug, reason=f"it may have at most {MAX_VARIANTS} variants"
        )
    _check_currency(product, new.sku, new.price.currency)
    with conflicts_as({"sku": SkuTaken(sku=new.sku)}):
        variant = Variant.objects.create(
            product_id=product.id,
            sku=new.sku,
            name=new.name,
            price_amount=new.price.amount,
            price_currency=new.price.currency,
            weight_grams=new.weight_grams,
            max_per_order=new.max_per_order,
            attributes=checked(new.attributes),
            position=position,
        )
    PriceRow.objects.create(
        variant_id=variant.id,
        amount=new.price.amount,
        currency=new.price.currency,
        valid_from=now,
        changed_by=by,
    )
    return variant


def change_variant(
    *,
    product_id: UUID,
    sku: str,
    changes: Mapping[str, Any],
    now: datetime,
    expected_version: int | None = None,
    by: str = "",
) -> Variant:
    """Set the fields in ``changes`` (of CHANGEABLE; ``price`` is Money).

    Raises ProductNotFound, VariantNotFound, StaleVersion, CurrenciesMixed, AttributeInvalid.
    """
    unknown = set(changes) - CHANGEABLE
    if unknown:
        raise ValueError(f"not fields of a variant: {', '.join(sorted(unknown))}")
    with changing(product_id, expected_version=expected_version, now=now) as product:
        variant = _variant(product_id, sku)
        for name, value in changes.items():
            if name == "price":
                _reprice(product, variant, value, now=now, by=by)
            else:
                setattr(variant, name, checked(value) if name == "attributes" else value)
        variant.save()
    return variant


def remove_variant(
    *, product_id: UUID, sku: str, now: datetime, expected_version: int | None = None
) -> None:
    """Remove the SKU; a published product keeps at least one.

    Raises ProductNotFound, VariantNotFound, StaleVersion, NotPublishable.
    """
    with changing(product_id, expected_version=expected_version, now=now) as product:
        variant = _variant(product_id, sku)
        if product.status == ProductStatus.PUBLISHED and product.variants.count() == 1:
            raise NotPublishable(reference=product.slug, reason=f"{sku} is its last variant")
        variant.delete()


def _variant(product_id: UUID, sku: str) -> Variant:
    known = SKU.fullmatch(sku)  # what cannot be a SKU may not even be storable
    variant = Variant.objects.filter(product_id=product_id, sku=sku).first() if known else None
    if variant is None:
        raise VariantNotFound(sku=sku)
    return variant


def _reprice(product: Product, variant: Variant, price: Money, *, now: datetime, by: str) -> None:
    before = Money(amount=variant.price_amount, currency=variant.price_currency)
    if price == before:
        return
    _check_currency(product, variant.sku, price.currency, besides=variant.id)
    variant.price_amount, variant.price_currency = price.amount, price.currency
    PriceRow.objects.filter(variant_id=variant.id, valid_to=None).update(valid_to=now)
    PriceRow.objects.create(
        variant_id=variant.id,
        amount=price.amount,
        currency=price.currency,
        valid_from=now,
        changed_by=by,
    )
    publish(PriceChanged(product_id=product.id, sku=variant.sku, before=before, after=price))


def _check_currency(
    product: Product, sku: str, currency: str, *, besides: UUID | None = None
) -> None:
    others = product.variants.exclude(id=besides) if besides else product.variants.all()
    other = others.values_list("price_currency", flat=True).first()
    if other is not None and other != currency:
        raise CurrenciesMixed(sku=sku, currency=other)
