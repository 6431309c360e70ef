"""Wires inventory into its host."""

from __future__ import annotations

from modules.platform.binding.apps import ModuleConfig


class InventoryConfig(ModuleConfig):
    """The module as a Django app."""

    name = "modules.inventory"
    label = "inventory"

    def ready(self) -> None:
        from modules.inventory.contract import Inventory
        from modules.inventory.handlers import HANDLERS
        from modules.inventory.service import InventoryService
        from modules.platform.binding import bind
        from modules.platform.messaging import subscribe

        bind(Inventory, InventoryService())
        subscribe("inventory", HANDLERS)
