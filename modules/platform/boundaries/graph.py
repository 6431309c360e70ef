"""The import graph, by grimp: fast, cached by modification time, lazy imports included."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grimp
import grimp.exceptions
from grimp.application.config import settings as grimp_settings
from grimp.application.ports.filesystem import AbstractFileSystem
from grimp.application.ports.packagefinder import AbstractPackageFinder

from modules.platform.boundaries.source import SourceTree

logging.getLogger("grimp").setLevel(logging.WARNING)  # it tells of every cache file

INTERNAL = frozenset({"modules", "shop", "extracted", "strangler_proxy"})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Edge:
    """``importer`` imports ``imported`` at ``line``; both are dotted names of files."""

    importer: str
    imported: str
    line: int

    @property
    def is_internal(self) -> bool:
        return self.imported.partition(".")[0] in INTERNAL

    @property
    def is_standard(self) -> bool:
        return self.imported.partition(".")[0] in sys.stdlib_module_names


class _PackagesOf(AbstractPackageFinder):
    """Finds packages below one root, whatever this process has imported under their names."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def determine_package_directories(
        self, package_name: str, file_system: AbstractFileSystem
    ) -> set[str]:
        return {str(self.root / package_name)}


def import_graph(tree: SourceTree, *, cache: Path | None = None) -> grimp.ImportGraph:
    """The graph of the tree's packages; what they import from outside is one node a package.

    Raises ``SyntaxError`` for a file that is not Python.
    """
    before = grimp_settings.PACKAGE_FINDER
    grimp_settings.configure(PACKAGE_FINDER=_PackagesOf(tree.root))
    try:
        return grimp.build_graph(
            *tree.packages,
            include_external_packages=True,
            cache_dir=str(cache) if cache else None,
        )
    except grimp.exceptions.SourceSyntaxError as error:
        raise SyntaxError(str(error), (error.filename, error.lineno, None, error.text)) from error
    finally:
        grimp_settings.configure(PACKAGE_FINDER=before)


def edges(graph: grimp.ImportGraph) -> Iterator[Edge]:
    """Every direct import of the graph, migrations left out."""
    for importer in sorted(graph.modules):
        if "migrations" in importer.split(".") or graph.is_module_squashed(importer):
            continue
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            for detail in graph.get_import_details(importer=importer, imported=imported):
                yield Edge(importer=importer, imported=imported, line=detail["line_number"])
