"""A product and what hangs off it change together, under the product's row lock and version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from modules.catalog.contract import ProductChanged, ProductNotFound
from modules.catalog.domain import ProductStatus
from modules.catalog.models import Media, Product, Variant
from modules.platform.contracts import StaleVersion
from modules.platform.databases import atomic
from modules.platform.messaging import publish


@contextmanager
def changing(product_id: UUID, *, expected_version: int | None, now: datetime) -> Iterator[Product]:
    """Lock the product, let the caller change it, then save it with a new version.

    Publishes ProductChanged when shoppers can see it before and after. Raises ProductNotFound,
    StaleVersion.
    """
    with atomic("catalog"):
        product = locked(product_id, expected_version=expected_version)
        was = product.status
        yield product
        save(product, now=now)
        if was == product.status == ProductStatus.PUBLISHED:
            publish(ProductChanged(product_id=product.id, skus=tuple(product.skus)))


def locked(product_id: UUID, *, expected_version: int | None) -> Product:
    """The product under its row lock. Raises ProductNotFound, StaleVersion."""
    product = Product.objects.select_for_update().filter(id=product_id).first()
    if product is None:
        raise ProductNotFound(reference=str(product_id))
    if expected_version is not None and product.version != expected_version:
        raise StaleVersion(expected=expected_version, actual=product.version)
    return product


def save(product: Product, *, now: datetime) -> None:
    """Save with the next version and a true summary of variants and media."""
    variants = list(
        Variant.objects.filter(product_id=product.id).values_list(
            "sku", "price_amount", "price_currency"
        )
    )
    first = Media.objects.filter(product_id=product.id).first()
    product.skus = [sku for sku, _, _ in variants]
    product.price_amount = min((amount for _, amount, _ in variants), default=0)
    product.price_currency = variants[0][2] if variants else ""
    product.image_url = first.address() if first else ""
    product.version += 1
    product.updated_at = now
    product.save()
