"""Wires orders into its host."""

from __future__ import annotations

from modules.platform.binding.apps import ModuleConfig


class OrdersConfig(ModuleConfig):
    """The module as a Django app."""

    name = "modules.orders"
    label = "orders"

    def ready(self) -> None:
        from modules.orders.contract import Orders
        from modules.orders.handlers import HANDLERS
        from modules.orders.sagas.definitions import SAGAS
        from modules.orders.service import OrdersService
        from modules.platform.binding import bind
        from modules.platform.messaging import subscribe
        from modules.platform.sagas.waking import register

        bind(Orders, OrdersService())
        subscribe("orders", HANDLERS)
        for saga in SAGAS:
            register(saga)
