"""Put products together, by hand or by a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from modules.catalog.contract import (
    CategoryNotFound,
    CollectionNotFound,
    ProductNotFound,
    RuleInvalid,
    SlugTaken,
)
from modules.catalog.domain import CollectionKind, Rule, slugify
from modules.catalog.models import Collection, CollectionItem, Product
from modules.catalog.queries.filters import CollectionRow
from modules.catalog.service.categories import find_category
from modules.catalog.service.conflicts import conflicts_as
from modules.platform.contracts import StaleVersion
from modules.platform.contracts.codec import convert
from modules.platform.databases import atomic


def find_collection(reference: UUID | str, *, hidden: bool = False) -> Collection:
    """By id or slug. Raises CollectionNotFound, also for a hidden one unless ``hidden``."""
    key = "id" if isinstance(reference, UUID) else "slug"
    found = Collection.objects.filter(**{key: reference}).first()
    if found is None or not (found.visible or hidden):
        raise CollectionNotFound(reference=str(reference))
    return found


def as_filter(collection: Collection) -> CollectionRow:
    """What the collection means for a list of products."""
    rule = convert(collection.rule, Rule)
    return CollectionRow(id=collection.id, kind=collection.kind, rule=rule)


def create_collection(
    *,
    name: str,
    slug: str = "",
    description: str = "",
    rule: Rule | None = None,
    visible: bool = True,
    position: int = 0,
) -> Collection:
    """A rule-based collection when ``rule`` is given, else a manual one.

    Raises SlugTaken, RuleInvalid.
    """
    slug = slug or slugify(name) or "collection"
    kind = CollectionKind.MANUAL if rule is None else CollectionKind.RULE
    with conflicts_as({"slug": SlugTaken(slug=slug)}), atomic("catalog"):
        return Collection.objects.create(
            name=name,
            slug=slug,
            description=description,
            kind=kind.value,
            rule={} if rule is None else stored_rule(rule),
            visible=visible,
            position=position,
        )


def change_collection(
    *, collection_id: UUID, changes: Mapping[str, Any], expected_version: int | None = None
) -> Collection:
    """Set name, slug, description, visible, position or (of a rule-based one) ``rule``.

    Raises CollectionNotFound, StaleVersion, SlugTaken, RuleInvalid.
    """
    with (
        conflicts_as({"slug": SlugTaken(slug=str(changes.get("slug")))}),
        atomic("catalog"),
    ):
        collection = _locked(collection_id, expected_version)
        if "rule" in changes:
            if collection.kind != CollectionKind.RULE:
                raise RuleInvalid(reason="this collection is kept by hand")
            collection.rule = stored_rule(changes["rule"])
        for name in ("name", "slug", "description", "visible", "position"):
            if name in changes:
                setattr(collection, name, changes[name])
        collection.version += 1
        collection.save()
    return collection


def set_products(
    *, collection_id: UUID, product_ids: Sequence[UUID], expected_version: int | None = None
) -> Collection:
    """Let a manual collection hold exactly these, in this order.

    Raises CollectionNotFound, StaleVersion, RuleInvalid (a rule decides), ProductNotFound.
    """
    wanted = list(dict.fromkeys(product_ids))
    with atomic("catalog"):
        collection = _locked(collection_id, expected_version)
        if collection.kind != CollectionKind.MANUAL:
            raise RuleInvalid(reason="a rule decides what this collection holds")
        known = set(Product.objects.filter(id__in=wanted).values_list("id", flat=True))
        for product_id in wanted:
            if product_id not in known:
                raise ProductNotFound(reference=str(product_id))
        CollectionItem.objects.filter(collection=collection).delete()
        CollectionItem.objects.bulk_create(
            CollectionItem(collection=collection, product_id=product_id, position=position)
            for position, product_id in enumerate(wanted)
        )
        collection.version += 1
        collection.save()
    return collection


def remove_collection(*, collection_id: UUID, expected_version: int | None = None) -> None:
    """Raises CollectionNotFound, StaleVersion."""
    with atomic("catalog"):
        _locked(collection_id, expected_version).delete()


def stored_rule(rule: Rule) -> dict[str, Any]:
    """The rule as JSON, without what it leaves open. Raises RuleInvalid."""
    if not rule.says_something():
        raise RuleInvalid(reason="it sets no condition")
    if rule.category:
        try:
            find_category(rule.category)
        except CategoryNotFound as error:
            raise RuleInvalid(reason=f"there is no category {rule.category}") from error
    plain: dict[str, Any] = msgspec.to_builtins(rule)
    return {name: value for name, value in plain.items() if value not in ("", (), [], None)}


def _locked(collection_id: UUID, expected_version: int | None) -> Collection:
    found = Collection.objects.select_for_update().filter(id=collection_id).first()
    if found is None:
        raise CollectionNotFound(reference=str(collection_id))
    if expected_version is not None and found.version != expected_version:
        raise StaleVersion(expected=expected_version, actual=found.version)
    return found
