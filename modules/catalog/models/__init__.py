"""Catalog's tables. Products and variants grow to some 100,000; price rows with every change."""

from modules.catalog.models.collections import Collection, CollectionItem
from modules.catalog.models.imports import ImportRun, ImportState
from modules.catalog.models.products import AttributeDefinition, Media, PriceRow, Product, Variant
from modules.catalog.models.tree import Category, TaxClass

__all__ = [
    "AttributeDefinition",
    "Category",
    "Collection",
    "CollectionItem",
    "ImportRun",
    "ImportState",
    "Media",
    "PriceRow",
    "Product",
    "TaxClass",
    "Variant",
]
