"""Catalog's admin pages: the one module whose operators edit, through the same use cases.

``Product`` and ``Variant`` grow to 100,000s, ``PriceRow`` with every change of a price; lists
search by indexed columns only.
"""

from modules.catalog.admin.collections import CollectionAdmin
from modules.catalog.admin.imports import ImportRunAdmin
from modules.catalog.admin.products import ProductAdmin, VariantAdmin
from modules.catalog.admin.tree import AttributeAdmin, CategoryAdmin, TaxClassAdmin

__all__ = [
    "AttributeAdmin",
    "CategoryAdmin",
    "CollectionAdmin",
    "ImportRunAdmin",
    "ProductAdmin",
    "TaxClassAdmin",
    "VariantAdmin",
]
