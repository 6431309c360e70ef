"""Make, change, publish and withdraw products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from modules.catalog.contract import (
    CategoryNotFound,
    ProductPublished,
    ProductWithdrawn,
    SlugTaken,
    TaxClassUnknown,
)
from modules.catalog.domain import ProductStatus, check_publishable, slug_for
from modules.catalog.models import Category, Product, TaxClass
from modules.catalog.service.aggregate import changing, locked, save
from modules.catalog.service.attributes import checked
from modules.catalog.service.conflicts import conflicts_as
from modules.catalog.service.variants import NewVariant, insert_variant
from modules.platform.databases import atomic
from modules.platform.messaging import publish
from modules.platform.rest.identifiers import new_id

CHANGEABLE = frozenset(
    {"name", "slug", "description", "brand", "category_id", "tax_class_id", "attributes"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProduct:
    """What a product starts with; it is a draft until it is published."""

    name: str
    slug: str = ""
    description: str = ""
    brand: str = ""
    category_id: UUID | None = None
    tax_class_id: str = "standard"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    variants: Sequence[NewVariant] = ()


def create_product(new: NewProduct, *, now: datetime, by: str = "") -> Product:
    """The new draft.

    Raises SlugTaken, SkuTaken, CategoryNotFound, TaxClassUnknown, AttributeInvalid,
    CurrenciesMixed.
    """
    _check_references(new.category_id, new.tax_class_id)
    product_id = new_id()
    product = Product(
        id=product_id,
        name=new.name,
        slug=new.slug or slug_for(new.name, product_id),
        description=new.description,
        brand=new.brand,
        category_id=new.category_id,
        tax_class_id=new.tax_class_id,
        attributes=checked(new.attributes),
        listed_at=now,
        created_at=now,
        updated_at=now,
        version=0,
    )
    with conflicts_as({"slug": SlugTaken(slug=product.slug)}), atomic("catalog"):
        product.save(force_insert=True)
        for position, variant in enumerate(new.variants):
            insert_variant(product, variant, position=position, now=now, by=by)
        save(product, now=now)
    return product


def change_product(
    *,
    product_id: UUID,
    changes: Mapping[str, Any],
    now: datetime,
    expected_version: int | None = None,
) -> Product:
    """Set the fields in ``changes`` (of CHANGEABLE).

    Raises ProductNotFound, StaleVersion, SlugTaken, CategoryNotFound, TaxClassUnknown,
    AttributeInvalid.
    """
    unknown = set(changes) - CHANGEABLE
    if unknown:
        raise ValueError(f"not fields of a product: {', '.join(sorted(unknown))}")
    _check_references(changes.get("category_id"), changes.get("tax_class_id"))
    taken = {"slug": SlugTaken(slug=str(changes.get("slug")))}
    with (
        conflicts_as(taken),
        changing(product_id, expected_version=expected_version, now=now) as product,
    ):
        for name, value in changes.items():
            setattr(product, name, checked(value) if name == "attributes" else value)
    return product


def publish_product(
    *, product_id: UUID, now: datetime, expected_version: int | None = None
) -> Product:
    """Put it on sale; again is no error. Raises ProductNotFound, StaleVersion, NotPublishable."""
    with atomic("catalog"):
        product = locked(product_id, expected_version=expected_version)
        if product.status == ProductStatus.PUBLISHED:
            return product
        check_publishable(
            reference=product.slug, name=product.name, variants=product.variants.count()
        )
        if product.published_at is None:
            product.listed_at = now
        product.published_at = now
        product.status = ProductStatus.PUBLISHED.value
        save(product, now=now)
        publish(ProductPublished(product_id=product.id, skus=tuple(product.skus)))
    return product


def withdraw_product(
    *,
    product_id: UUID,
    now: datetime,
    expected_version: int | None = None,
    to: ProductStatus = ProductStatus.DRAFT,
) -> Product:
    """Take it off sale, back to draft or into the archive. Raises ProductNotFound, StaleVersion."""
    with atomic("catalog"):
        product = locked(product_id, expected_version=expected_version)
        if product.status == to:
            return product
        was = product.status
        product.status = to.value
        save(product, now=now)
        if was == ProductStatus.PUBLISHED:
            publish(ProductWithdrawn(product_id=product.id, skus=tuple(product.skus)))
    return product


def delete_product(*, product_id: UUID, now: datetime, expected_version: int | None = None) -> None:
    """Remove a draft that was never on sale; archive any other, since orders refer to it.

    Raises ProductNotFound, StaleVersion.
    """
    with atomic("catalog"):
        product = locked(product_id, expected_version=expected_version)
        if product.published_at is None:
            product.delete()
            return
    withdraw_product(product_id=product_id, now=now, to=ProductStatus.ARCHIVED)


def _check_references(category_id: UUID | None, tax_class_id: str | None) -> None:
    if category_id and not Category.objects.filter(id=category_id).exists():
        raise CategoryNotFound(reference=str(category_id))
    if tax_class_id and not TaxClass.objects.filter(code=tax_class_id).exists():
        raise TaxClassUnknown(tax_class=tax_class_id)
