"""Everything about one product: five queries, however many variants and pictures it has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections

from modules.catalog.contract import ProductNotFound
from modules.catalog.domain import LOW_PRICE_DAYS, AttributeValue
from modules.catalog.models import AttributeDefinition, Media, Product
from modules.catalog.queries.tree import Step, trail
from modules.platform.databases import alias_of

_PRODUCT = (
    "id",
    "slug",
    "name",
    "description",
    "brand",
    "status",
    "price_amount",
    "price_currency",
    "tax_class_id",
    "tax_class__basis_points",
    "category_id",
    "attributes",
    "published_at",
    "updated_at",
    "version",
)
# The lowest price in force at any time in the period, today's included.
_VARIANTS = """
SELECT v.sku, v.name, v.price_amount, v.price_currency, v.weight_grams, v.max_per_order,
       v.attributes::text,
       (SELECT min(h.amount) FROM catalog_pricerow h
        WHERE h.variant_id = v.id AND h.currency = v.price_currency
          AND (h.valid_to IS NULL OR h.valid_to > %s))
FROM catalog_variant v WHERE v.product_id = %s ORDER BY v.position, v.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow:
    """One SKU. ``attributes`` is JSON; ``lowest_amount`` the lowest price of the last 30 days."""

    sku: str
    name: str
    price_amount: int
    price_currency: str
    weight_grams: int
    max_per_order: int
    attributes: str
    lowest_amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeRow:
    """What the product says of itself, with what the value means."""

    code: str
    name: str
    type: str
    unit: str
    value: AttributeValue


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRow:
    """A picture or film."""

    id: UUID
    url: str
    alt: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDetail:
    """A product with all that belongs to it. ``categories`` lead from the root to its own."""

    id: UUID
    slug: str
    name: str
    description: str
    brand: str
    status: str
    price_amount: int
    price_currency: str
    tax_class: str
    tax_basis_points: int
    published_at: datetime | None
    updated_at: datetime
    version: int
    attributes: list[AttributeRow]
    variants: list[VariantRow]
    media: list[MediaRow]
    categories: list[Step]


def product_detail(
    reference: UUID | str, *, now: datetime, statuses: tuple[str, ...] = ("published",)
) -> ProductDetail:
    """The product by id or slug. Raises ProductNotFound when its status is not in ``statuses``."""
    key = "id" if isinstance(reference, UUID) else "slug"
    rows = Product.objects.filter(**{key: reference}, status__in=statuses)
    found = rows.values_list(*_PRODUCT, named=True).first()
    if found is None:
        raise ProductNotFound(reference=str(reference))
    return ProductDetail(
        id=found.id,
        slug=found.slug,
        name=found.name,
        description=found.description,
        brand=found.brand,
        status=found.status,
        price_amount=found.price_amount,
        price_currency=found.price_currency,
        tax_class=found.tax_class_id,
        tax_basis_points=found.tax_class__basis_points,
        published_at=found.published_at,
        updated_at=found.updated_at,
        version=found.version,
        attributes=_attributes(found.attributes),
        variants=_variants(found.id, now),
        media=_media(found.id),
        categories=trail(found.category_id) if found.category_id else [],
    )


def _attributes(values: dict[str, Any]) -> list[AttributeRow]:
    if not values:
        return []
    rows = AttributeDefinition.objects.filter(code__in=values).order_by("code")
    return [
        AttributeRow(
            code=row.code, name=row.name, type=row.type, unit=row.unit, value=values[row.code]
        )
        for row in rows
    ]


def _media(product_id: UUID) -> list[MediaRow]:
    return [
        MediaRow(id=row.id, url=row.address(), alt=row.alt, position=row.position)
        for row in Media.objects.filter(product_id=product_id)
    ]


def _variants(product_id: UUID, now: datetime) -> list[VariantRow]:
    since = now - timedelta(days=LOW_PRICE_DAYS)
    with connections[alias_of("catalog")].cursor() as cursor:
        cursor.execute(_VARIANTS, [since, product_id])
        return [
            VariantRow(
                sku=sku,
                name=name,
                price_amount=amount,
                price_currency=currency,
                weight_grams=weight,
                max_per_order=most,
                attributes=attributes,
                lowest_amount=amount if lowest is None else lowest,
            )
            for (
                sku,
                name,
                amount,
                currency,
                weight,
                most,
                attributes,
                lowest,
            ) in cursor.fetchall()
        ]
