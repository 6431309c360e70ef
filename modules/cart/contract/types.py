"""A cart as other modules see it: priced, and frozen once it is being ordered."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class CartLine:
    """One SKU in the cart. ``total`` = ``unit_price`` * ``quantity`` - ``discount``; tax included.

    ``tax`` is the part of ``total`` that is tax.
    """

    sku: str
    product_id: UUID
    name: str
    quantity: int
    unit_price: Money
    discount: Money
    total: Money
    tax: Money
    tax_basis_points: int
    weight_grams: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CartSnapshot:
    """What a cart held and cost when checkout began.

    ``owner`` is ``customer:<uuid>`` or ``guest:<sha256 of the Cart-Token>``. ``subtotal`` is
    before discounts, ``total`` after; neither has shipping in it.
    """

    id: UUID
    owner: str
    currency: str
    lines: tuple[CartLine, ...]
    coupons: tuple[str, ...]
    subtotal: Money
    discount: Money
    total: Money
    tax: Money
