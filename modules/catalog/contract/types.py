"""What is for sale, as other modules see it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One sellable SKU. ``sellable`` is false for drafts and archived products.

    ``tax_basis_points`` is the tax included in ``price`` (2000 = 20 %); ``weight_grams`` is per
    unit; ``max_per_order`` 0 means no limit.
    """

    sku: str
    product_id: UUID
    name: str
    price: Money
    tax_class: str
    tax_basis_points: int
    weight_grams: int
    max_per_order: int
    sellable: bool
    category: str
    brand: str
    image_url: str
