"""The category tree and what is around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django.db import connections

from modules.catalog.contract import CategoryNotFound
from modules.platform.databases import alias_of

_COLUMNS = "id, parent_id, name, slug, description, position, path, depth, version"
_ALL = f"SELECT {_COLUMNS} FROM catalog_category ORDER BY depth, position, name"  # noqa: S608
_TRAIL = """
SELECT a.id, a.name, a.slug FROM catalog_category here
JOIN catalog_category a ON here.path >= a.path AND here.path < a.path || '~'
WHERE here.id = %s ORDER BY a.depth
"""
_BRANDS = """
SELECT brand, count(*) FROM catalog_product
WHERE status = 'published' AND brand <> '' AND brand > %s
GROUP BY brand ORDER BY brand LIMIT %s
"""


@dataclass(slots=True, kw_only=True)
class Node:
    """A category and those directly below it, in the shop's order."""

    id: UUID
    parent_id: UUID | None
    name: str
    slug: str
    description: str
    position: int
    path: str
    depth: int
    version: int
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One category on the way from the root."""

    id: UUID
    name: str
    slug: str


def whole_tree() -> list[Node]:
    """The roots with all that is below them; one query."""
    roots: list[Node] = []
    by_id: dict[UUID, Node] = {}
    for node in _nodes():
        by_id[node.id] = node
        above = by_id.get(node.parent_id) if node.parent_id else None
        (above.children if above else roots).append(node)
    return roots


def subtree(reference: UUID | str) -> Node:
    """One category, by id or slug, with all that is below it. Raises CategoryNotFound."""
    open_nodes = whole_tree()
    while open_nodes:
        node = open_nodes.pop()
        if reference in (node.id, node.slug):
            return node
        open_nodes.extend(node.children)
    raise CategoryNotFound(reference=str(reference))


def trail(category_id: UUID) -> list[Step]:
    """The categories from the root down to this one."""
    with connections[alias_of("catalog")].cursor() as cursor:
        cursor.execute(_TRAIL, [category_id])
        return [Step(id=row[0], name=row[1], slug=row[2]) for row in cursor.fetchall()]


def brands(*, after: str, limit: int) -> list[tuple[str, int]]:
    """Brands with how many published products each has, by name."""
    with connections[alias_of("catalog")].cursor() as cursor:
        cursor.execute(_BRANDS, [after, limit])
        return [(str(name), int(count)) for name, count in cursor.fetchall()]


def _nodes() -> list[Node]:
    names = _COLUMNS.split(", ")
    with connections[alias_of("catalog")].cursor() as cursor:
        cursor.execute(_ALL)
        return [Node(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
