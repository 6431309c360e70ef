"""Use cases of carts, and the port's implementation."""

from __future__ import annotations

from datetime import UTC, datetime

from modules.cart.contract import BeginCheckout, CartSnapshot, CompleteCheckout, ReopenCart
from modules.cart.service import checkout


class CartService:
    """Answers the ``Cart`` port."""

    def begin_checkout(self, command: BeginCheckout) -> CartSnapshot:
        return checkout.begin(command, now=datetime.now(UTC))

    def complete_checkout(self, command: CompleteCheckout) -> None:
        checkout.complete(command, now=datetime.now(UTC))

    def reopen(self, command: ReopenCart) -> None:
        checkout.reopen(command, now=datetime.now(UTC))
