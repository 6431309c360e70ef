"""Cart's declaration."""

from modules.cart.contract import Cart, CartCheckedOut, CartMerged
from modules.catalog.contract import Catalog
from modules.inventory.contract import Inventory
from modules.platform.contracts import Module

MODULE = Module(
    name="cart",
    purpose="Keep what shoppers mean to buy, priced by the shop.",
    owner="team-cart",
    port=Cart,
    calls=(Catalog, Inventory),
    publishes=(CartCheckedOut, CartMerged),
)
