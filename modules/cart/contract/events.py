"""What happened to carts."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CartCheckedOut(Event):
    """The cart became an order."""

    KEY = "cart_id"
    cart_id: UUID
    order_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CartMerged(Event):
    """A guest's cart went into the customer's own at login."""

    KEY = "cart_id"
    cart_id: UUID
    into_cart_id: UUID
    customer_id: UUID
