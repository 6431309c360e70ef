"""Wires shipping into its host."""

from __future__ import annotations

from modules.platform.binding.apps import ModuleConfig


class ShippingConfig(ModuleConfig):
    """The module as a Django app."""

    name = "modules.shipping"
    label = "shipping"

    def ready(self) -> None:
        from modules.platform.binding import bind
        from modules.platform.messaging import subscribe
        from modules.shipping.contract import Shipping
        from modules.shipping.handlers import HANDLERS
        from modules.shipping.service import ShippingService

        bind(Shipping, ShippingService())
        subscribe("shipping", HANDLERS)
