"""All that other modules may import of catalog."""

from modules.catalog.contract.errors import (
    AttributeInUse,
    AttributeInvalid,
    AttributeNotFound,
    CatalogError,
    CategoryInUse,
    CategoryMoveInvalid,
    CategoryNotFound,
    CollectionNotFound,
    CurrenciesMixed,
    MediaNotFound,
    MediaRefused,
    NotPublishable,
    ProductNotFound,
    RuleInvalid,
    SkuTaken,
    SlugTaken,
    TaxClassUnknown,
    TooManySkus,
    VariantNotFound,
)
from modules.catalog.contract.events import (
    PriceChanged,
    ProductChanged,
    ProductPublished,
    ProductWithdrawn,
)
from modules.catalog.contract.port import Catalog
from modules.catalog.contract.types import Variant

__all__ = [
    "AttributeInUse",
    "AttributeInvalid",
    "AttributeNotFound",
    "Catalog",
    "CatalogError",
    "CategoryInUse",
    "CategoryMoveInvalid",
    "CategoryNotFound",
    "CollectionNotFound",
    "CurrenciesMixed",
    "MediaNotFound",
    "MediaRefused",
    "NotPublishable",
    "PriceChanged",
    "ProductChanged",
    "ProductNotFound",
    "ProductPublished",
    "ProductWithdrawn",
    "RuleInvalid",
    "SkuTaken",
    "SlugTaken",
    "TaxClassUnknown",
    "TooManySkus",
    "Variant",
    "VariantNotFound",
]
