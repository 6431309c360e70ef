"""Products over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from modules.catalog.contract import (
    AttributeInvalid,
    CategoryNotFound,
    CollectionNotFound,
    CurrenciesMixed,
    NotPublishable,
    ProductNotFound,
    SkuTaken,
    SlugTaken,
    TaxClassUnknown,
)
from modules.catalog.domain import ProductStatus
from modules.catalog.queries.detail import product_detail
from modules.catalog.queries.filters import Wanted
from modules.catalog.queries.listing import BadCursor, product_page
from modules.catalog.queries.stock import stock_of
from modules.catalog.rest.answers import (
    CAT,
    COL,
    ProductEntry,
    ProductShown,
    product_entry,
    product_shown,
)
from modules.catalog.rest.bodies import (
    ProductBody,
    ProductChanges,
    ProductQuery,
    ProductsQuery,
    VariantBody,
)
from modules.catalog.rest.references import changes_of, now, reference, staff_sees_all
from modules.catalog.service import attributes, collections, products
from modules.catalog.service.categories import find_category
from modules.catalog.service.variants import NewVariant
from modules.platform.rest.access import scope
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import Page
from modules.platform.rest.problems import Problem
from modules.platform.rest.requests import ApiRequest

ALL = tuple(status.value for status in ProductStatus)
WRITE = scope("catalog:write")


class ProductsView(ApiView):
    """Products."""

    @operation(
        "List products",
        description="Each with its lowest price and what is in stock. Drafts are for staff.",
        query=ProductsQuery,
        returns=Page[ProductEntry],
        errors=(CollectionNotFound, AttributeInvalid),
        problems={403: "forbidden"},
    )
    def get(self, request: ApiRequest, *, query: ProductsQuery) -> Page[ProductEntry]:
        wanted = _wanted(request, query)
        try:
            page = product_page(
                wanted, sort=query.sort, cursor=query.cursor, limit=query.limit, now=now()
            )
        except BadCursor as error:
            raise Problem.invalid(
                "query/cursor", "not a cursor of this list", code="bad_cursor"
            ) from error
        known = stock_of(sku for row in page.rows for sku in row.skus)
        return Page(
            data=[product_entry(row, known) for row in page.rows],
            next=page.next,
            previous=page.previous,
        )

    @operation(
        "Create a product",
        description="It is a draft until it is published.",
        body=ProductBody,
        returns={201: ProductShown},
        errors=(
            SlugTaken,
            SkuTaken,
            CategoryNotFound,
            TaxClassUnknown,
            AttributeInvalid,
            CurrenciesMixed,
        ),
        access=WRITE,
    )
    def post(self, request: ApiRequest, *, body: ProductBody) -> Answer:
        made = products.create_product(
            products.NewProduct(
                name=body.name,
                slug=body.slug,
                description=body.description,
                brand=body.brand,
                category_id=category_id(body.category),
                tax_class_id=body.tax_class,
                attributes=body.attributes,
                variants=[new_variant(variant) for variant in body.variants],
            ),
            now=now(),
            by=request.actor.label,
        )
        return answer(made.id, status=201)


class ProductView(ApiView):
    """One product."""

    @operation(
        "Read a product",
        query=ProductQuery,
        returns=ProductShown,
        errors=(ProductNotFound,),
        etag=True,
    )
    def get(self, request: ApiRequest, *, product_id: UUID, query: ProductQuery) -> Answer:
        statuses = ALL if staff_sees_all(request.actor) else (ProductStatus.PUBLISHED.value,)
        detail = product_detail(product_id, now=now(), statuses=statuses)
        if "stock" not in query.expand:
            return Answer(body=product_shown(detail), version=detail.version)
        known = stock_of(row.sku for row in detail.variants)
        # Stock changes without a new version, so an answer with stock is never "unchanged".
        return Answer(body=product_shown(detail, known), headers={"Cache-Control": "no-store"})

    @operation(
        "Change a product",
        body=ProductChanges,
        returns=ProductShown,
        errors=(ProductNotFound, SlugTaken, CategoryNotFound, TaxClassUnknown, AttributeInvalid),
        access=WRITE,
        if_match="required",
    )
    def patch(self, request: ApiRequest, *, product_id: UUID, body: ProductChanges) -> Answer:
        changes = changes_of(body)
        if "category" in changes:
            changes["category_id"] = category_id(changes.pop("category") or "")
        if "tax_class" in changes:
            changes["tax_class_id"] = changes.pop("tax_class")
        products.change_product(
            product_id=product_id,
            changes=changes,
            now=now(),
            expected_version=request.expected_version,
        )
        return answer(product_id)

    @operation(
        "Delete a product",
        description="A draft that was never on sale is removed; any other is archived.",
        errors=(ProductNotFound,),
        access=WRITE,
        if_match="required",
    )
    def delete(self, request: ApiRequest, *, product_id: UUID) -> None:
        products.delete_product(
            product_id=product_id, now=now(), expected_version=request.expected_version
        )


class PublishView(ApiView):
    """Putting a product on sale."""

    @operation(
        "Publish a product",
        returns=ProductShown,
        errors=(ProductNotFound, NotPublishable),
        access=WRITE,
        if_match="required",
    )
    def post(self, request: ApiRequest, *, product_id: UUID) -> Answer:
        products.publish_product(
            product_id=product_id, now=now(), expected_version=request.expected_version
        )
        return answer(product_id)


class UnpublishView(ApiView):
    """Taking a product off sale."""

    @operation(
        "Withdraw a product",
        description="It becomes a draft again.",
        returns=ProductShown,
        errors=(ProductNotFound,),
        access=WRITE,
        if_match="required",
    )
    def post(self, request: ApiRequest, *, product_id: UUID) -> Answer:
        products.withdraw_product(
            product_id=product_id, now=now(), expected_version=request.expected_version
        )
        return answer(product_id)


def answer(product_id: UUID, *, status: int = 200) -> Answer:
    """The product as it stands now."""
    detail = product_detail(product_id, now=now(), statuses=ALL)
    return Answer(body=product_shown(detail), status=status, version=detail.version)


def category_id(text: str, *, pointer: str = "/category") -> UUID | None:
    """The category named by id or slug. Raises CategoryNotFound."""
    return find_category(reference(text, CAT, pointer=pointer)).id if text else None


def new_variant(body: VariantBody) -> NewVariant:
    return NewVariant(
        sku=body.sku,
        price=body.price.money(),
        name=body.name,
        weight_grams=body.weight_grams,
        max_per_order=body.max_per_order,
        attributes=body.attributes,
    )


def _wanted(request: ApiRequest, query: ProductsQuery) -> Wanted:
    if query.status != ProductStatus.PUBLISHED and not staff_sees_all(request.actor):
        raise Problem.forbidden(["catalog:read"])
    collection = None
    if query.collection:
        found = collections.find_collection(
            reference(query.collection, COL, pointer="query/collection"),
            hidden=staff_sees_all(request.actor),
        )
        collection = collections.as_filter(found)
    given: dict[str, Any] = attributes.read_pairs(query.attribute) if query.attribute else {}
    return Wanted(
        statuses=(query.status.value,),
        category=reference(query.category, CAT, pointer="query/category") or None,
        brands=query.brand,
        price_gte=query.price__gte,
        price_lte=query.price__lte,
        sku=query.sku,
        attributes=given,
        collection=collection,
    )
