"""Collections over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from modules.catalog.contract import (
    CollectionNotFound,
    ProductNotFound,
    RuleInvalid,
    SlugTaken,
)
from modules.catalog.domain import Rule
from modules.catalog.queries import lists
from modules.catalog.rest.answers import PRD, CollectionEntry, Collections, collection_entry
from modules.catalog.rest.bodies import (
    CollectionBody,
    CollectionChanges,
    CollectionProducts,
    RuleBody,
)
from modules.catalog.rest.products import WRITE
from modules.catalog.rest.references import changes_of, staff_sees_all
from modules.catalog.service import collections
from modules.platform.contracts.codec import convert
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.problems import Problem
from modules.platform.rest.requests import ApiRequest


class CollectionsView(ApiView):
    """Collections of products."""

    @operation("List collections", returns=Collections)
    def get(self, request: ApiRequest) -> Collections:
        rows = lists.collections(hidden=staff_sees_all(request.actor))
        return Collections(data=[collection_entry(row) for row in rows])

    @operation(
        "Create a collection",
        body=CollectionBody,
        returns={201: CollectionEntry},
        errors=(SlugTaken, RuleInvalid),
        access=WRITE,
    )
    def post(self, request: ApiRequest, *, body: CollectionBody) -> Answer:
        made = collections.create_collection(
            name=body.name,
            slug=body.slug,
            description=body.description,
            rule=_rule(body.rule) if body.rule else None,
            visible=body.visible,
            position=body.position,
        )
        return _answer(made.id, status=201)


class CollectionView(ApiView):
    """One collection."""

    @operation(
        "Read a collection", returns=CollectionEntry, errors=(CollectionNotFound,), etag=True
    )
    def get(self, request: ApiRequest, *, collection_id: UUID) -> Answer:
        return _answer(collection_id, hidden=staff_sees_all(request.actor))

    @operation(
        "Change a collection",
        body=CollectionChanges,
        returns=CollectionEntry,
        errors=(CollectionNotFound, SlugTaken, RuleInvalid),
        access=WRITE,
        if_match="required",
    )
    def patch(self, request: ApiRequest, *, collection_id: UUID, body: CollectionChanges) -> Answer:
        changes: dict[str, Any] = changes_of(body)
        if "rule" in changes:
            changes["rule"] = _rule(changes["rule"])
        collections.change_collection(
            collection_id=collection_id,
            changes=changes,
            expected_version=request.expected_version,
        )
        return _answer(collection_id)

    @operation(
        "Remove a collection",
        errors=(CollectionNotFound,),
        access=WRITE,
        if_match="required",
    )
    def delete(self, request: ApiRequest, *, collection_id: UUID) -> None:
        collections.remove_collection(
            collection_id=collection_id, expected_version=request.expected_version
        )


class CollectionProductsView(ApiView):
    """What a manual collection holds."""

    @operation(
        "Set a collection's products",
        body=CollectionProducts,
        returns=CollectionEntry,
        errors=(CollectionNotFound, RuleInvalid, ProductNotFound),
        access=WRITE,
        if_match="required",
    )
    def put(self, request: ApiRequest, *, collection_id: UUID, body: CollectionProducts) -> Answer:
        try:
            wanted = [PRD.parse(text) for text in body.products]
        except ValueError as error:
            raise Problem.invalid("/products", str(error), code="bad_id") from error
        collections.set_products(
            collection_id=collection_id,
            product_ids=wanted,
            expected_version=request.expected_version,
        )
        return _answer(collection_id)


def _rule(body: RuleBody) -> Rule:
    return convert(msgspec.to_builtins(body), Rule)


def _answer(collection_id: UUID, *, status: int = 200, hidden: bool = True) -> Answer:
    row = lists.collection(collection_id, hidden=hidden)
    return Answer(body=collection_entry(row), status=status, version=row.version)
