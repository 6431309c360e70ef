"""Wires catalog into its host."""

from __future__ import annotations

from modules.platform.binding.apps import ModuleConfig


class CatalogConfig(ModuleConfig):
    """The module as a Django app."""

    name = "modules.catalog"
    label = "catalog"

    def ready(self) -> None:
        from modules.catalog.contract import Catalog
        from modules.catalog.service import CatalogService
        from modules.platform.binding import bind

        bind(Catalog, CatalogService())
