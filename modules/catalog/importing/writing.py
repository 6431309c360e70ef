"""Writes a batch's outcome: some ten statements for a thousand rows, events included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db.models import F

from modules.catalog.contract import (
    PriceChanged,
    ProductChanged,
    ProductPublished,
    ProductWithdrawn,
)
from modules.catalog.domain import ProductStatus
from modules.catalog.importing.batch import Held, Outcome
from modules.catalog.importing.rows import Row
from modules.catalog.models import Media, PriceRow, Product, Variant
from modules.platform.contracts import Event, Money
from modules.platform.messaging import publish

_FIELDS = [
    field.attname
    for field in Product._meta.concrete_fields
    if field.attname not in ("id", "slug", "created_at", "attributes")
]
_VARIANT_FIELDS = ["name", "price_amount", "price_currency", "weight_grams", "max_per_order"]


def held_for(rows: Sequence[Row]) -> list[Held]:
    """The products that the rows are about, locked in the order of their ids."""
    skus = [row.sku for row in rows]
    slugs = {row.product for row in rows if row.product}
    ids = set(Variant.objects.filter(sku__in=skus).values_list("product_id", flat=True))
    ids |= set(Product.objects.filter(slug__in=slugs).values_list("id", flat=True))
    locked = Product.objects.select_for_update().filter(id__in=ids).order_by("id")
    products = {product.id: Held(product=product, variants={}) for product in locked}
    for variant in Variant.objects.filter(product_id__in=products):
        products[variant.product_id].variants[variant.sku] = variant
    return list(products.values())


def write(outcome: Outcome, *, now: datetime, by: str) -> None:
    """Store the outcome and tell of it, inside the caller's transaction."""
    touched = list(outcome.touched.values())
    if not touched:
        return
    for held in touched:
        _sum_up(held, now)
    Product.objects.bulk_create(
        [held.product for held in touched],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=[name.removesuffix("_id") for name in _FIELDS],
    )
    Variant.objects.bulk_create(outcome.new_variants)
    Variant.objects.bulk_create(
        outcome.changed_variants,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=_VARIANT_FIELDS,
    )
    _write_prices(outcome, now, by)
    _write_pictures(touched)
    events = list(_events(outcome))
    if events:
        publish(*events)


def _sum_up(held: Held, now: datetime) -> None:
    product, variants = held.product, list(held.variants.values())
    product.skus = [variant.sku for variant in variants]
    product.price_amount = min(variant.price_amount for variant in variants)
    product.price_currency = variants[0].price_currency
    product.version += 1
    product.updated_at = now
    if product.status == ProductStatus.PUBLISHED != held.was:
        if product.published_at is None:
            product.listed_at = now
        product.published_at = now


def _write_prices(outcome: Outcome, now: datetime, by: str) -> None:
    ended = [each.variant.id for each in outcome.repriced]
    if ended:
        PriceRow.objects.filter(variant_id__in=ended, valid_to=None).update(valid_to=now)
    begun = [*outcome.new_variants, *(each.variant for each in outcome.repriced)]
    PriceRow.objects.bulk_create(
        PriceRow(
            variant_id=variant.id,
            amount=variant.price_amount,
            currency=variant.price_currency,
            valid_from=now,
            changed_by=by,
        )
        for variant in begun
    )


def _write_pictures(touched: Sequence[Held]) -> None:
    """The file's picture is the first one; what was there before moves behind it or, where an
    import put it there, gives way."""
    changed = {h.product.id: h.product for h in touched if h.product.image_url != h.before[-1]}
    if not changed:
        return
    old = [h.before[-1] for h in touched if h.product.id in changed and h.before[-1]]
    Media.objects.filter(product_id__in=changed, url__in=old, position=0).delete()
    Media.objects.filter(product_id__in=changed).update(position=F("position") + 1)
    Media.objects.bulk_create(
        Media(product_id=product.id, url=product.image_url, alt=product.name, position=0)
        for product in changed.values()
    )


def _events(outcome: Outcome) -> Iterator[Event]:
    for each in outcome.repriced:
        variant = each.variant
        after = Money(amount=variant.price_amount, currency=variant.price_currency)
        yield PriceChanged(
            product_id=variant.product_id, sku=variant.sku, before=each.before, after=after
        )
    for held in outcome.touched.values():
        product, skus = held.product, tuple(held.product.skus)
        match held.was == ProductStatus.PUBLISHED, product.status == ProductStatus.PUBLISHED:
            case False, True:
                yield ProductPublished(product_id=product.id, skus=skus)
            case True, False:
                yield ProductWithdrawn(product_id=product.id, skus=skus)
            case True, True:
                yield ProductChanged(product_id=product.id, skus=skus)
