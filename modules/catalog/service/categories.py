"""Grow, move and prune the category tree. Changes of the tree happen one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import F, Max, Value
from django.db.models.functions import Concat, Substr

from modules.catalog.contract import (
    CategoryInUse,
    CategoryMoveInvalid,
    CategoryNotFound,
    ProductChanged,
    SlugTaken,
)
from modules.catalog.domain import MAX_DEPTH, ProductStatus, slugify
from modules.catalog.models import Category, Product
from modules.catalog.service.conflicts import conflicts_as
from modules.platform.contracts import StaleVersion
from modules.platform.databases import alias_of, atomic
from modules.platform.messaging import publish

STEP = 4  # characters of the path for each level: 36^4 siblings
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BEHIND = "~"  # sorts behind every digit, so [path, path + "~") is the subtree


def find_category(reference: UUID | str) -> Category:
    """By id or slug. Raises CategoryNotFound."""
    key = "id" if isinstance(reference, UUID) else "slug"
    found = Category.objects.filter(**{key: reference}).first()
    if found is None:
        raise CategoryNotFound(reference=str(reference))
    return found


def create_category(
    *,
    name: str,
    parent_id: UUID | None = None,
    slug: str = "",
    description: str = "",
    position: int = 0,
) -> Category:
    """A new category below ``parent_id``.

    Raises CategoryNotFound, CategoryMoveInvalid, SlugTaken.
    """
    with _tree_lock(slug or name):
        parent = find_category(parent_id) if parent_id else None
        category = Category(name=name, parent=parent, description=description, position=position)
        category.slug = slug or free_slug(parent, name, category.id)
        _place(category, parent)
        category.save(force_insert=True)
    return category


def change_category(
    *,
    category_id: UUID,
    changes: Mapping[str, Any],
    now: datetime,
    expected_version: int | None = None,
) -> Category:
    """Set name, slug, description, position or ``parent_id``; products below it have changed.

    Raises CategoryNotFound, StaleVersion, CategoryMoveInvalid, SlugTaken.
    """
    with _tree_lock(str(changes.get("slug") or changes.get("name") or "")):
        category = find_category(category_id)
        if expected_version is not None and category.version != expected_version:
            raise StaleVersion(expected=expected_version, actual=category.version)
        if "parent_id" in changes and changes["parent_id"] != category.parent_id:
            _move(category, changes["parent_id"])
        for name in ("name", "slug", "description", "position"):
            if name in changes:
                setattr(category, name, changes[name])
        category.version += 1
        category.save()
        if changes.keys() & {"name", "slug", "parent_id"}:
            _tell_products(category, now)
    return category


def remove_category(*, category_id: UUID, expected_version: int | None = None) -> None:
    """Remove an empty category. Raises CategoryNotFound, CategoryInUse, StaleVersion."""
    with _tree_lock(""):
        category = find_category(category_id)
        if expected_version is not None and category.version != expected_version:
            raise StaleVersion(expected=expected_version, actual=category.version)
        if category.children.exists() or category.products.exists():
            raise CategoryInUse(reference=category.slug)
        category.delete()


def free_slug(parent: Category | None, name: str, category_id: UUID) -> str:
    """The names' words, with the parent's slug before them; with the id's tail if taken."""
    words = slugify(name) or "category"
    slug = (f"{parent.slug}-{words}" if parent else words)[:180].strip("-")
    taken = Category.objects.filter(slug=slug).exists()
    return f"{slug}-{category_id.hex[-10:]}" if taken else slug


@contextmanager
def _tree_lock(slug: str) -> Iterator[None]:
    """A transaction that no other change of the tree runs beside: paths are handed out in it."""
    taken = SlugTaken(slug=slug)
    with conflicts_as({"slug": taken, "sibling": taken}), atomic("catalog"):
        with connections[alias_of("catalog")].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('catalog.category'))")
        yield


def _place(category: Category, parent: Category | None) -> None:
    category.depth = parent.depth + 1 if parent else 1
    if category.depth > MAX_DEPTH:
        raise CategoryMoveInvalid(reason=f"categories nest at most {MAX_DEPTH} deep")
    category.path = _next_path(parent)


def _next_path(parent: Category | None) -> str:
    siblings = Category.objects.filter(parent=parent)
    last = siblings.aggregate(last=Max("path"))["last"]
    number = int(last[-STEP:], 36) + 1 if last else 1
    above = parent.path if parent else ""
    return above + _base36(number)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits.rjust(STEP, "0")


def _subtree(path: str) -> Any:
    return Category.objects.filter(path__gte=path, path__lt=path + BEHIND)


def _move(category: Category, parent_id: UUID | None) -> None:
    parent = find_category(parent_id) if parent_id else None
    before, depth_before = category.path, category.depth
    if parent and parent.path.startswith(before):
        raise CategoryMoveInvalid(reason="it would stand below itself")
    deepest = _subtree(before).aggregate(deepest=Max("depth"))["deepest"]
    category.parent = parent
    _place(category, parent)
    deeper = category.depth - depth_before
    if deepest + deeper > MAX_DEPTH:
        raise CategoryMoveInvalid(reason=f"categories nest at most {MAX_DEPTH} deep")
    _subtree(before).exclude(id=category.id).update(
        path=Concat(Value(category.path), Substr("path", len(before) + 1)),
        depth=F("depth") + deeper,
    )


def _tell_products(category: Category, now: datetime) -> None:
    """Their pages and search entries show the category: a new version, and the event."""
    below = Product.objects.filter(category__in=_subtree(category.path).values("id"))
    below.update(version=F("version") + 1, updated_at=now)
    published = below.filter(status=ProductStatus.PUBLISHED).values_list("id", "skus")
    events = [ProductChanged(product_id=pid, skus=tuple(skus)) for pid, skus in published]
    if events:
        publish(*events)
