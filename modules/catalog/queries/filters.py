"""What a list of products may be narrowed by, as SQL on ``catalog_product p``.

A category costs one query more; everything else is part of the list's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import connections

from modules.catalog.domain import AttributeValue, CollectionKind, Rule
from modules.platform.databases import alias_of

# The subtree of a category is one range of the unique index on path ('~' sorts behind 0-9A-Z).
# A query of its own: with the ids before it, PostgreSQL knows from its statistics how many
# products they have. As a subquery, a small category sorted by name read the whole name index.
_BELOW = """
SELECT below.id FROM catalog_category here
JOIN catalog_category below ON below.path >= here.path AND below.path < here.path || '~'
WHERE here.{column} = %s
"""
_WITH_SKU = "p.id = (SELECT v.product_id FROM catalog_variant v WHERE v.sku = %s)"
_IN_COLLECTION = """EXISTS (SELECT 1 FROM catalog_collectionitem i
    WHERE i.product_id = p.id AND i.collection_id = %s)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Filters of a list; what is None or empty does not filter. Prices are in minor units."""

    statuses: tuple[str, ...] = ("published",)
    category: UUID | str | None = None
    brands: tuple[str, ...] = ()
    price_gte: int | None = None
    price_lte: int | None = None
    sku: str = ""
    attributes: Mapping[str, AttributeValue] | None = None
    collection: CollectionRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionRow:
    """What a collection says about which products it holds."""

    id: UUID
    kind: str
    rule: Rule


class Conditions:
    """Grows a WHERE clause and its parameters together."""

    def __init__(self) -> None:
        self.clauses: list[str] = []
        self.parameters: list[Any] = []

    def add(self, clause: str, *parameters: Any) -> None:
        self.clauses.append(clause)
        self.parameters.extend(parameters)

    def sql(self) -> str:
        return " AND ".join(self.clauses) or "true"


def conditions(wanted: Wanted, *, now: datetime) -> Conditions:
    """``wanted`` as conditions."""
    found = Conditions()
    if len(wanted.statuses) == 1:
        found.add("p.status = %s", wanted.statuses[0])
    else:
        found.add("p.status = ANY(%s)", list(wanted.statuses))
    _category(found, wanted.category)
    _brands_and_prices(found, wanted.brands, wanted.price_gte, wanted.price_lte)
    if wanted.sku:
        found.add(_WITH_SKU, wanted.sku)
    if wanted.attributes:
        found.add("p.attributes @> %s::jsonb", msgspec.json.encode(wanted.attributes).decode())
    if wanted.collection:
        _collection(found, wanted.collection, now)
    return found


def _category(found: Conditions, category: UUID | str | None) -> None:
    if not category:
        return
    sql = _BELOW.format(column="id" if isinstance(category, UUID) else "slug")
    with connections[alias_of("catalog")].cursor() as cursor:
        cursor.execute(sql, [category])
        ids = [row[0] for row in cursor.fetchall()]
    found.add("p.category_id = ANY(%s::uuid[])", ids)


def _brands_and_prices(
    found: Conditions, brands: Sequence[str], price_gte: int | None, price_lte: int | None
) -> None:
    if len(brands) == 1:
        found.add("p.brand = %s", brands[0])
    elif brands:
        found.add("p.brand = ANY(%s)", list(brands))
    if price_gte is not None:
        found.add("p.price_amount >= %s", price_gte)
    if price_lte is not None:
        found.add("p.price_amount <= %s", price_lte)


def _collection(found: Conditions, collection: CollectionRow, now: datetime) -> None:
    if collection.kind == CollectionKind.MANUAL:
        found.add(_IN_COLLECTION, collection.id)
        return
    rule = collection.rule
    _category(found, rule.category)
    _brands_and_prices(found, rule.brands, rule.price_gte, rule.price_lte)
    if rule.newer_than_days is not None:
        found.add("p.listed_at >= %s", now - timedelta(days=rule.newer_than_days))
