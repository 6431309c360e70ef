"""What others may tell carts to do."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginCheckout(Command):
    """Price the cart one last time and lock it for ``order_id``.

    The caller must be one of the cart's owners: ``owners`` are those of the actor.
    """

    cart_id: UUID
    order_id: UUID
    owners: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteCheckout(Command):
    """The order stands; the cart is done."""

    cart_id: UUID
    order_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopenCart(Command):
    """The order failed; the shopper may change the cart and try again."""

    cart_id: UUID
    order_id: UUID
