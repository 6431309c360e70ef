"""Catalog's declaration."""

from modules.catalog.contract import (
    Catalog,
    PriceChanged,
    ProductChanged,
    ProductPublished,
    ProductWithdrawn,
)
from modules.inventory.contract import Inventory
from modules.platform.contracts import Module

MODULE = Module(
    name="catalog",
    purpose="Describe and price what is for sale.",
    owner="team-catalog",
    port=Catalog,
    calls=(Inventory,),
    publishes=(PriceChanged, ProductChanged, ProductPublished, ProductWithdrawn),
)
