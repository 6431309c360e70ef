"""What other modules may ask of carts."""

from __future__ import annotations

from typing import Protocol

from modules.cart.contract.commands import BeginCheckout, CompleteCheckout, ReopenCart
from modules.cart.contract.types import CartSnapshot


class Cart(Protocol):
    """What shoppers mean to buy."""

    def begin_checkout(self, command: BeginCheckout) -> CartSnapshot:
        """Lock and price the cart; the same order asking again gets the same snapshot.

        Raises CartNotFound, CartEmpty, CartLocked (another order has it), LineNotSellable,
        QuantityLimit, CouponRefused (it no longer applies; the shopper must see the new total).
        """
        ...

    def complete_checkout(self, command: CompleteCheckout) -> None:
        """Idempotent. Raises CartNotFound, CartLocked (another order has it)."""
        ...

    def reopen(self, command: ReopenCart) -> None:
        """Idempotent; a cart that another order has, or that is gone, is left alone."""
        ...
