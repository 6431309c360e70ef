"""Categories, brands and attributes over HTTP."""

from __future__ import annotations

from uuid import UUID

from modules.catalog.contract import (
    AttributeInUse,
    AttributeInvalid,
    AttributeNotFound,
    CategoryInUse,
    CategoryMoveInvalid,
    CategoryNotFound,
    SlugTaken,
)
from modules.catalog.queries import lists, tree
from modules.catalog.rest.answers import (
    BrandEntry,
    Brands,
    Categories,
    CategoryEntry,
    DefinitionEntry,
    Definitions,
    category_entry,
    definition_entry,
)
from modules.catalog.rest.bodies import (
    AttributeBody,
    AttributeChanges,
    BrandsQuery,
    CategoryBody,
    CategoryChanges,
)
from modules.catalog.rest.products import WRITE, category_id
from modules.catalog.rest.references import changes_of, now
from modules.catalog.service import attributes, categories
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.requests import ApiRequest


class CategoriesView(ApiView):
    """The category tree."""

    @operation("Read the category tree", returns=Categories)
    def get(self, request: ApiRequest) -> Categories:
        return Categories(data=[category_entry(node) for node in tree.whole_tree()])

    @operation(
        "Create a category",
        body=CategoryBody,
        returns={201: CategoryEntry},
        errors=(CategoryNotFound, CategoryMoveInvalid, SlugTaken),
        access=WRITE,
    )
    def post(self, request: ApiRequest, *, body: CategoryBody) -> Answer:
        made = categories.create_category(
            name=body.name,
            parent_id=category_id(body.parent, pointer="/parent"),
            slug=body.slug,
            description=body.description,
            position=body.position,
        )
        return _category(made.id, status=201)


class CategoryView(ApiView):
    """One category with those below it."""

    @operation("Read a category", returns=CategoryEntry, errors=(CategoryNotFound,))
    def get(self, request: ApiRequest, *, category_id: UUID) -> Answer:
        node = tree.subtree(category_id)
        return Answer(body=category_entry(node), headers={"ETag": f'"{node.version}"'})

    @operation(
        "Change or move a category",
        body=CategoryChanges,
        returns=CategoryEntry,
        errors=(CategoryNotFound, CategoryMoveInvalid, SlugTaken),
        access=WRITE,
        if_match="required",
    )
    def patch(self, request: ApiRequest, *, category_id: UUID, body: CategoryChanges) -> Answer:
        changes = changes_of(body)
        if "parent" in changes:
            changes["parent_id"] = _parent(changes.pop("parent") or "")
        categories.change_category(
            category_id=category_id,
            changes=changes,
            now=now(),
            expected_version=request.expected_version,
        )
        return _category(category_id)

    @operation(
        "Remove an empty category",
        errors=(CategoryNotFound, CategoryInUse),
        access=WRITE,
        if_match="required",
    )
    def delete(self, request: ApiRequest, *, category_id: UUID) -> None:
        categories.remove_category(
            category_id=category_id, expected_version=request.expected_version
        )


class BrandsView(ApiView):
    """Brands on sale."""

    @operation("List brands", query=BrandsQuery, returns=Brands)
    def get(self, request: ApiRequest, *, query: BrandsQuery) -> Brands:
        found = tree.brands(after=query.after, limit=query.limit)
        return Brands(data=[BrandEntry(name=name, products=count) for name, count in found])


class AttributesView(ApiView):
    """What products may say of themselves."""

    @operation("List attributes", returns=Definitions)
    def get(self, request: ApiRequest) -> Definitions:
        return Definitions(data=[definition_entry(row) for row in lists.definitions()])

    @operation(
        "Define an attribute",
        body=AttributeBody,
        returns={201: DefinitionEntry},
        errors=(SlugTaken, AttributeInvalid),
        access=WRITE,
    )
    def post(self, request: ApiRequest, *, body: AttributeBody) -> Answer:
        attributes.define_attribute(
            code=body.code, name=body.name, type=body.type, unit=body.unit, options=body.options
        )
        return Answer(body=definition_entry(lists.definition(body.code)), status=201)


class AttributeView(ApiView):
    """One attribute."""

    @operation(
        "Change an attribute",
        body=AttributeChanges,
        returns=DefinitionEntry,
        errors=(AttributeNotFound, AttributeInUse, AttributeInvalid),
        access=WRITE,
    )
    def patch(self, request: ApiRequest, *, code: str, body: AttributeChanges) -> DefinitionEntry:
        attributes.change_attribute(code=code, changes=changes_of(body))
        return definition_entry(lists.definition(code))

    @operation("Remove an attribute", errors=(AttributeNotFound, AttributeInUse), access=WRITE)
    def delete(self, request: ApiRequest, *, code: str) -> None:
        attributes.remove_attribute(code=code)


def _parent(text: str) -> UUID | None:
    return category_id(text, pointer="/parent")


def _category(category_id: UUID, *, status: int = 200) -> Answer:
    node = tree.subtree(category_id)
    return Answer(body=category_entry(node), status=status, version=node.version)
