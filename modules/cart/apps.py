"""Wires cart into its host."""

from __future__ import annotations

from modules.platform.binding.apps import ModuleConfig


class CartConfig(ModuleConfig):
    """The module as a Django app."""

    name = "modules.cart"
    label = "cart"

    def ready(self) -> None:
        from modules.cart.contract import Cart
        from modules.cart.service import CartService
        from modules.platform.binding import bind

        bind(Cart, CartService())
