"""The short lists: collections and attributes, some dozens of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from modules.catalog.contract import AttributeNotFound, CollectionNotFound
from modules.catalog.models import AttributeDefinition, Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionDetail:
    """A collection. ``rule`` is empty for one that is kept by hand."""

    id: UUID
    slug: str
    name: str
    description: str
    kind: str
    rule: dict[str, Any]
    visible: bool
    position: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionRow:
    """An attribute that products may have."""

    code: str
    name: str
    type: str
    unit: str
    options: list[str]


_COLLECTION = tuple(CollectionDetail.__dataclass_fields__)
_DEFINITION = tuple(DefinitionRow.__dataclass_fields__)


def collections(*, hidden: bool) -> list[CollectionDetail]:
    """All collections in the shop's order; with ``hidden`` also those shoppers do not see."""
    rows = Collection.objects.order_by("position", "name").values(*_COLLECTION)
    return [CollectionDetail(**row) for row in (rows if hidden else rows.filter(visible=True))]


def collection(collection_id: UUID, *, hidden: bool) -> CollectionDetail:
    """Raises CollectionNotFound, also for a hidden one unless ``hidden``."""
    row = Collection.objects.filter(id=collection_id).values(*_COLLECTION).first()
    if row is None or not (row["visible"] or hidden):
        raise CollectionNotFound(reference=str(collection_id))
    return CollectionDetail(**row)


def definitions() -> list[DefinitionRow]:
    """All attributes, by code."""
    rows = AttributeDefinition.objects.order_by("code").values(*_DEFINITION)
    return [DefinitionRow(**row) for row in rows]


def definition(code: str) -> DefinitionRow:
    """Raises AttributeNotFound."""
    row = AttributeDefinition.objects.filter(code=code).values(*_DEFINITION).first()
    if row is None:
        raise AttributeNotFound(attribute=code)
    return DefinitionRow(**row)
