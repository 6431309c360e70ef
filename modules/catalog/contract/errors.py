"""Errors of the catalogue.

CatalogError
├── ProductNotFound       NotFound
├── VariantNotFound       NotFound
├── CategoryNotFound      NotFound
├── CollectionNotFound    NotFound
├── AttributeNotFound     NotFound
├── MediaNotFound         NotFound
├── SkuTaken              Conflict
├── SlugTaken             Conflict
├── NotPublishable        Conflict     it lacks something a shopper needs
├── CategoryInUse         Conflict     products or categories stand in it
├── AttributeInUse        Conflict     products have a value for it
├── AttributeInvalid      Invalid      a value that its definition does not allow
├── CategoryMoveInvalid   Invalid
├── RuleInvalid           Invalid      a collection's rule
├── CurrenciesMixed       Invalid
├── TaxClassUnknown       Invalid
├── MediaRefused          Invalid
└── TooManySkus           Invalid
"""

from __future__ import annotations

from dataclasses import dataclass

from modules.platform.contracts import Conflict, ContractError, Invalid, NotFound


class CatalogError(ContractError):
    """Root of the module's errors."""

    code = "catalog.error"


@dataclass(kw_only=True, eq=False)
class ProductNotFound(CatalogError, NotFound):
    """No such product, or not published."""

    code = "catalog.product_not_found"
    reference: str

    def sentence(self) -> str:
        return f"There is no product {self.reference}."


@dataclass(kw_only=True, eq=False)
class VariantNotFound(CatalogError, NotFound):
    """The product has no such SKU."""

    code = "catalog.variant_not_found"
    sku: str

    def sentence(self) -> str:
        return f"The product has no SKU {self.sku}."


@dataclass(kw_only=True, eq=False)
class CategoryNotFound(CatalogError, NotFound):
    """No category has this slug or id."""

    code = "catalog.category_not_found"
    reference: str

    def sentence(self) -> str:
        return f"There is no category {self.reference}."


@dataclass(kw_only=True, eq=False)
class CollectionNotFound(CatalogError, NotFound):
    """No collection has this slug or id, or it is hidden."""

    code = "catalog.collection_not_found"
    reference: str

    def sentence(self) -> str:
        return f"There is no collection {self.reference}."


@dataclass(kw_only=True, eq=False)
class AttributeNotFound(CatalogError, NotFound):
    """No attribute is defined under this code."""

    code = "catalog.attribute_not_found"
    attribute: str

    def sentence(self) -> str:
        return f"No attribute {self.attribute} is defined."


@dataclass(kw_only=True, eq=False)
class MediaNotFound(CatalogError, NotFound):
    """The product has no such picture or film."""

    code = "catalog.media_not_found"
    reference: str

    def sentence(self) -> str:
        return f"The product has no media {self.reference}."


@dataclass(kw_only=True, eq=False)
class SkuTaken(CatalogError, Conflict):
    """Another variant has the SKU."""

    code = "catalog.sku_taken"
    sku: str

    def sentence(self) -> str:
        return f"SKU {self.sku} belongs to another variant."


@dataclass(kw_only=True, eq=False)
class SlugTaken(CatalogError, Conflict):
    """Another product, category or collection has the slug."""

    code = "catalog.slug_taken"
    slug: str

    def sentence(self) -> str:
        return f"The slug or code {self.slug} is taken."


@dataclass(kw_only=True, eq=False)
class NotPublishable(CatalogError, Conflict):
    """The product lacks something that a shopper needs."""

    code = "catalog.not_publishable"
    reference: str
    reason: str

    def sentence(self) -> str:
        return f"Product {self.reference} cannot be on sale: {self.reason}."


@dataclass(kw_only=True, eq=False)
class CategoryInUse(CatalogError, Conflict):
    """The category is not empty."""

    code = "catalog.category_in_use"
    reference: str

    def sentence(self) -> str:
        return f"Products or categories stand in {self.reference}; move them first."


@dataclass(kw_only=True, eq=False)
class AttributeInUse(CatalogError, Conflict):
    """Products or variants have a value for the attribute."""

    code = "catalog.attribute_in_use"
    attribute: str

    def sentence(self) -> str:
        return f"Products have a value for {self.attribute}; remove those first."


@dataclass(kw_only=True, eq=False)
class AttributeInvalid(CatalogError, Invalid):
    """The value is not what the attribute's definition allows."""

    code = "catalog.attribute_invalid"
    attribute: str
    reason: str

    def sentence(self) -> str:
        return f"Attribute {self.attribute}: {self.reason}."


@dataclass(kw_only=True, eq=False)
class CategoryMoveInvalid(CatalogError, Invalid):
    """A category cannot go there."""

    code = "catalog.category_move_invalid"
    reason: str

    def sentence(self) -> str:
        return f"The category cannot go there: {self.reason}."


@dataclass(kw_only=True, eq=False)
class RuleInvalid(CatalogError, Invalid):
    """A collection's rule says nothing, or names what does not exist."""

    code = "catalog.rule_invalid"
    reason: str

    def sentence(self) -> str:
        return f"The collection's rule is not valid: {self.reason}."


@dataclass(kw_only=True, eq=False)
class CurrenciesMixed(CatalogError, Invalid):
    """All variants of a product are priced in one currency."""

    code = "catalog.currencies_mixed"
    sku: str
    currency: str

    def sentence(self) -> str:
        return f"SKU {self.sku} must be priced in {self.currency}, like the product's others."


@dataclass(kw_only=True, eq=False)
class TaxClassUnknown(CatalogError, Invalid):
    """No tax class has this code."""

    code = "catalog.tax_class_unknown"
    tax_class: str

    def sentence(self) -> str:
        return f"There is no tax class {self.tax_class}."


@dataclass(kw_only=True, eq=False)
class MediaRefused(CatalogError, Invalid):
    """The file is not a picture or film that shops show."""

    code = "catalog.media_refused"
    reason: str

    def sentence(self) -> str:
        return f"The file was refused: {self.reason}."


@dataclass(kw_only=True, eq=False)
class TooManySkus(CatalogError, Invalid):
    """More SKUs than one call may ask for."""

    code = "catalog.too_many_skus"
    limit: int

    def sentence(self) -> str:
        return f"One call may ask for at most {self.limit} SKUs."
