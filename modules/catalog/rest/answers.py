"""What clients get: products, categories, collections as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from modules.catalog.queries.detail import MediaRow, ProductDetail, VariantRow
from modules.catalog.queries.listing import ProductRow
from modules.catalog.queries.lists import CollectionDetail, DefinitionRow
from modules.catalog.queries.stock import Stock
from modules.catalog.queries.tree import Node
from modules.platform.contracts import Money
from modules.platform.rest.identifiers import ids

PRD, CAT, MED, COL = ids("prd"), ids("cat"), ids("med"), ids("col")


class StockShown(msgspec.Struct, kw_only=True):
    """What can be promised now. ``backorderable`` ones may be ordered beyond it."""

    available: int
    backorderable: bool


class CategoryLink(msgspec.Struct, kw_only=True):
    """A category in short."""

    id: str
    slug: str
    name: str


class ProductEntry(msgspec.Struct, kw_only=True):
    """A product in a list. ``price`` is its lowest; ``stock`` is null when nobody can say."""

    id: str
    slug: str
    name: str
    brand: str
    status: str
    price: Money
    stock: StockShown | None
    category: CategoryLink | None
    skus: list[str]
    image_url: str


class VariantDetail(msgspec.Struct, kw_only=True):
    """A SKU. ``lowest_price_30_days`` is the lowest of the last 30 days; ``stock`` on demand."""

    sku: str
    name: str
    price: Money
    lowest_price_30_days: Money
    weight_grams: int
    max_per_order: int
    attributes: msgspec.Raw
    stock: StockShown | None = None


class AttributeEntry(msgspec.Struct, kw_only=True):
    """A value with its definition."""

    code: str
    name: str
    type: str
    unit: str
    value: str | int | float | bool


class MediaEntry(msgspec.Struct, kw_only=True):
    """A picture or film."""

    id: str
    url: str
    alt: str
    position: int


class TaxEntry(msgspec.Struct, kw_only=True):
    """The tax in a price; 2000 basis points are 20 %."""

    code: str
    basis_points: int


class ProductShown(msgspec.Struct, kw_only=True):
    """A product with all that belongs to it. ``categories`` leads from the root to its own."""

    id: str
    slug: str
    name: str
    description: str
    brand: str
    status: str
    price: Money
    tax: TaxEntry
    categories: list[CategoryLink]
    attributes: list[AttributeEntry]
    variants: list[VariantDetail]
    media: list[MediaEntry]
    published_at: datetime | None
    updated_at: datetime
    version: int


class CategoryEntry(msgspec.Struct, kw_only=True):
    """A category with those below it."""

    id: str
    slug: str
    name: str
    description: str
    position: int
    version: int
    children: list[CategoryEntry]


class Categories(msgspec.Struct, kw_only=True):
    """The tree, roots first."""

    data: list[CategoryEntry]


class CollectionEntry(msgspec.Struct, kw_only=True):
    """A collection; its products are ``/products?collection=<slug>``."""

    id: str
    slug: str
    name: str
    description: str
    kind: str
    rule: dict[str, Any]
    visible: bool
    position: int
    version: int


class Collections(msgspec.Struct, kw_only=True):
    """All collections that are to be seen."""

    data: list[CollectionEntry]


class BrandEntry(msgspec.Struct, kw_only=True):
    """A brand and how many products of it are on sale."""

    name: str
    products: int


class Brands(msgspec.Struct, kw_only=True):
    """Brands by name."""

    data: list[BrandEntry]


class DefinitionEntry(msgspec.Struct, kw_only=True):
    """An attribute that products may have."""

    code: str
    name: str
    type: str
    unit: str
    options: list[str]


class Definitions(msgspec.Struct, kw_only=True):
    """All attributes, by code."""

    data: list[DefinitionEntry]


def stock_shown(skus: list[str], known: dict[str, Stock] | None) -> StockShown | None:
    """What can be promised of ``skus`` together; a SKU without stock counts as none."""
    if known is None:
        return None
    found = [known[sku] for sku in skus if sku in known]
    return StockShown(
        available=sum(each.available for each in found),
        backorderable=any(each.backorderable for each in found),
    )


def product_entry(row: ProductRow, known: dict[str, Stock] | None) -> ProductEntry:
    category = None
    if row.category_id is not None:
        category = CategoryLink(
            id=CAT.text(row.category_id),
            slug=row.category_slug or "",
            name=row.category_name or "",
        )
    return ProductEntry(
        id=PRD.text(row.id),
        slug=row.slug,
        name=row.name,
        brand=row.brand,
        status=row.status,
        price=Money(amount=row.price_amount, currency=row.price_currency),
        stock=stock_shown(row.skus, known),
        category=category,
        skus=row.skus,
        image_url=row.image_url,
    )


def product_shown(detail: ProductDetail, known: dict[str, Stock] | None = None) -> ProductShown:
    return ProductShown(
        id=PRD.text(detail.id),
        slug=detail.slug,
        name=detail.name,
        description=detail.description,
        brand=detail.brand,
        status=detail.status,
        price=Money(amount=detail.price_amount, currency=detail.price_currency),
        tax=TaxEntry(code=detail.tax_class, basis_points=detail.tax_basis_points),
        categories=[
            CategoryLink(id=CAT.text(step.id), slug=step.slug, name=step.name)
            for step in detail.categories
        ],
        attributes=[
            AttributeEntry(
                code=row.code, name=row.name, type=row.type, unit=row.unit, value=row.value
            )
            for row in detail.attributes
        ],
        variants=[_variant(row, known) for row in detail.variants],
        media=[_media(row) for row in detail.media],
        published_at=detail.published_at,
        updated_at=detail.updated_at,
        version=detail.version,
    )


def _variant(row: VariantRow, known: dict[str, Stock] | None) -> VariantDetail:
    return VariantDetail(
        sku=row.sku,
        name=row.name,
        price=Money(amount=row.price_amount, currency=row.price_currency),
        lowest_price_30_days=Money(amount=row.lowest_amount, currency=row.price_currency),
        weight_grams=row.weight_grams,
        max_per_order=row.max_per_order,
        attributes=msgspec.Raw(row.attributes.encode()),
        stock=stock_shown([row.sku], known),
    )


def _media(row: MediaRow) -> MediaEntry:
    return MediaEntry(id=MED.text(row.id), url=row.url, alt=row.alt, position=row.position)


def category_entry(node: Node) -> CategoryEntry:
    return CategoryEntry(
        id=CAT.text(node.id),
        slug=node.slug,
        name=node.name,
        description=node.description,
        position=node.position,
        version=node.version,
        children=[category_entry(child) for child in node.children],
    )


def collection_entry(row: CollectionDetail) -> CollectionEntry:
    return CollectionEntry(
        id=COL.text(row.id),
        slug=row.slug,
        name=row.name,
        description=row.description,
        kind=row.kind,
        rule=row.rule,
        visible=row.visible,
        position=row.position,
        version=row.version,
    )


def definition_entry(row: DefinitionRow) -> DefinitionEntry:
    return DefinitionEntry(
        code=row.code, name=row.name, type=row.type, unit=row.unit, options=row.options
    )
