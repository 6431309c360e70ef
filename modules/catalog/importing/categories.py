"""Category paths such as ``Food > Cheese`` to ids; those that are missing are made."""

from __future__ import annotations

from uuid import UUID

from modules.catalog.models import Category
from modules.catalog.queries.tree import Node, whole_tree
from modules.catalog.service.categories import create_category

Path = tuple[str, ...]


class CategoryPaths:
    """Knows every category by its path. What a batch makes counts once the batch is committed."""

    def __init__(self) -> None:
        self._known: dict[Path, UUID] = {}
        self._fresh: dict[Path, UUID] = {}
        self._enter(whole_tree(), ())

    def id_of(self, path: Path) -> UUID | None:
        """The category at ``path``, made with those above it where need be; None for no path."""
        if not path:
            return None
        found = self._known.get(path) or self._fresh.get(path)
        if found is None:
            found = self._fresh[path] = self._make(path)
        return found

    def committed(self) -> None:
        self._known |= self._fresh
        self._fresh = {}

    def rolled_back(self) -> None:
        self._fresh = {}

    def _make(self, path: Path) -> UUID:
        parent = self.id_of(path[:-1])
        # Somebody else may have made it since the tree was read.
        there = Category.objects.filter(parent_id=parent, name=path[-1]).first()
        return there.id if there else create_category(name=path[-1], parent_id=parent).id

    def _enter(self, nodes: list[Node], above: Path) -> None:
        for node in nodes:
            path = (*above, node.name)
            self._known[path] = node.id
            self._enter(node.children, path)
