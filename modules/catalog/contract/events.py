"""What happened to the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Event, Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPublished(Event):
    """A product can be bought from now on."""

    KEY = "product_id"
    product_id: UUID
    skus: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductChanged(Event):
    """A published product's texts, attributes or categories changed."""

    KEY = "product_id"
    product_id: UUID
    skus: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductWithdrawn(Event):
    """A product can no longer be bought."""

    KEY = "product_id"
    product_id: UUID
    skus: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChanged(Event):
    """A SKU costs something else now."""

    KEY = "product_id"
    product_id: UUID
    sku: str
    before: Money
    after: Money
