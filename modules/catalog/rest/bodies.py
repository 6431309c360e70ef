"""What clients send: bodies and query strings, with limits on every field."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from modules.catalog.domain import MAX_AMOUNT, MAX_VARIANTS, AttributeType, ProductStatus
from modules.catalog.queries.listing import Sort
from modules.platform.contracts import Money
from modules.platform.rest.pagination import ListQuery, Query

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
ShortName = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
Slug = Annotated[str, Meta(max_length=200, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Code = Annotated[str, Meta(max_length=64, pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$")]
Text = Annotated[str, Meta(max_length=20_000)]
Label = Annotated[str, Meta(max_length=100)]
Reference = Annotated[str, Meta(max_length=200)]
Sku = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:+~-]*$")]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Amount = Annotated[int, Meta(ge=0, le=MAX_AMOUNT)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
Url = Annotated[str, Meta(max_length=1000, pattern=r"^https?://[^\s/]+(/\S*)?$")]
Value = Annotated[str, Meta(max_length=1000)] | int | float | bool
Attributes = Annotated[dict[str, Value], Meta(max_length=100)]
MAX_IN_COLLECTION = 1_000


class Price(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An amount in the currency's minor unit."""

    amount: Amount
    currency: Currency

    def money(self) -> Money:
        return Money(amount=self.amount, currency=self.currency)


class VariantBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A SKU to add. ``max_per_order`` 0 means no limit."""

    sku: Sku
    price: Price
    name: Label = ""
    weight_grams: Count = 0
    max_per_order: Count = 0
    attributes: Attributes = {}


class VariantChanges(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a SKU; what is left out stays."""

    price: Price | UnsetType = UNSET
    name: Label | UnsetType = UNSET
    weight_grams: Count | UnsetType = UNSET
    max_per_order: Count | UnsetType = UNSET
    attributes: Attributes | UnsetType = UNSET
    position: Count | UnsetType = UNSET


class ProductBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A product to make. ``category`` is a category's id or slug."""

    name: Name
    slug: Slug = ""
    description: Text = ""
    brand: Label = ""
    category: Reference = ""
    tax_class: Code = "standard"
    attributes: Attributes = {}
    variants: Annotated[list[VariantBody], Meta(max_length=MAX_VARIANTS)] = []


class ProductChanges(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a product; what is left out stays. ``category`` null takes it out."""

    name: Name | UnsetType = UNSET
    slug: Slug | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    brand: Label | UnsetType = UNSET
    category: Reference | UnsetType | None = UNSET
    tax_class: Code | UnsetType = UNSET
    attributes: Attributes | UnsetType = UNSET


class MediaBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A picture or film at another's address. ``alt`` says in words what it shows."""

    url: Url
    alt: Annotated[str, Meta(max_length=300)] = ""


class MediaChanges(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a picture."""

    alt: Annotated[str, Meta(max_length=300)] | None = None
    position: Count | None = None


class CategoryBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A category to make. ``parent`` is a category's id or slug, empty for a root."""

    name: ShortName
    slug: Slug = ""
    description: Text = ""
    parent: Reference = ""
    position: Count = 0


class CategoryChanges(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a category; ``parent`` null makes it a root."""

    name: ShortName | UnsetType = UNSET
    slug: Slug | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    parent: Reference | UnsetType | None = UNSET
    position: Count | UnsetType = UNSET


class RuleBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a rule-based collection holds: products that meet everything that is set."""

    category: Annotated[str, Meta(max_length=200)] = ""
    brands: Annotated[tuple[Label, ...], Meta(max_length=50)] = ()
    price_gte: Amount | None = None
    price_lte: Amount | None = None
    newer_than_days: Annotated[int, Meta(ge=1, le=3650)] | None = None


class CollectionBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A collection to make: rule-based when ``rule`` is given, else kept by hand."""

    name: ShortName
    slug: Slug = ""
    description: Text = ""
    rule: RuleBody | None = None
    visible: bool = True
    position: Count = 0


class CollectionChanges(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a collection."""

    name: ShortName | UnsetType = UNSET
    slug: Slug | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    rule: RuleBody | UnsetType = UNSET
    visible: bool | UnsetType = UNSET
    position: Count | UnsetType = UNSET


class CollectionProducts(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The ids of the products in a manual collection, in order."""

    products: Annotated[
        list[Annotated[str, Meta(max_length=40)]], Meta(max_length=MAX_IN_COLLECTION)
    ]


class AttributeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An attribute to define. ``options`` are for type ``enum``."""

    code: Code
    name: ShortName
    type: AttributeType
    unit: Annotated[str, Meta(max_length=16)] = ""
    options: Annotated[list[ShortName], Meta(max_length=200)] = []


class AttributeChanges(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of an attribute; its type stays."""

    name: ShortName | UnsetType = UNSET
    unit: Annotated[str, Meta(max_length=16)] | UnsetType = UNSET
    options: Annotated[list[ShortName], Meta(max_length=200)] | UnsetType = UNSET


class ProductsQuery(ListQuery, kw_only=True):
    """Filters of the list. ``category`` (slug or id) includes what is below it; ``price`` in
    minor units; ``attribute`` like ``color:red,size:42``; ``status`` is for staff."""

    category: Reference = ""
    brand: Annotated[tuple[Label, ...], Meta(max_length=20)] = ()
    price__gte: Amount | None = None
    price__lte: Amount | None = None
    sku: Annotated[str, Meta(max_length=64)] = ""
    collection: Reference = ""
    attribute: Annotated[tuple[str, ...], Meta(max_length=20)] = ()
    sort: Sort = Sort.NEWEST
    status: ProductStatus = ProductStatus.PUBLISHED


class ProductQuery(Query, kw_only=True):
    """``expand=stock`` adds what can be promised of each SKU right now."""

    expand: tuple[Literal["stock"], ...] = ()


class BrandsQuery(Query, kw_only=True):
    """``after``: the last brand of the page before."""

    after: Label = ""
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


class ImportQuery(Query, kw_only=True):
    """``dry_run`` reports what would happen; ``atomic`` loads nothing if any row is bad."""

    dry_run: bool = False
    atomic: bool = False
