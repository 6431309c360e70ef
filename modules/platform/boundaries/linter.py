"""import-linter's contracts, generated from the tree in memory: what holds along whole chains.

These see an import through any number of files; ``imports.py`` judges single ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grimp
from importlinter import configuration
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

from modules.platform.boundaries.source import SourceTree
from modules.platform.boundaries.violations import Violation

# A contract must load where only the standard library is installed.
FRAMEWORKS = (
    "celery",
    "django",
    "httpx",
    "msgspec",
    "psycopg",
    "redis",
    "rest_framework",
    "structlog",
)
Link = Mapping[str, Any]  # importer, imported, line_numbers

configuration.configure()


def layers_of(tree: SourceTree) -> tuple[tuple[str, ...], ...]:
    """Top to bottom; those of one layer may see each other as far as other rules let them."""
    candidates = (
        tuple(name for name in ("shop", "extracted") if name in tree.packages),
        ("modules.extraction",) if tree.file("modules/extraction/__init__.py") else (),
        tuple(f"modules.{module}" for module in tree.modules),
        ("modules.platform",) if tree.file("modules/platform/__init__.py") else (),
    )
    return tuple(layer for layer in candidates if layer)


def linted(tree: SourceTree, graph: grimp.ImportGraph) -> Iterator[Violation]:
    """Chains that break the layers, and contracts that reach a framework through anything."""
    yield from _layers(tree, graph)
    yield from _pure_contracts(tree, graph)


def _layers(tree: SourceTree, graph: grimp.ImportGraph) -> Iterator[Violation]:
    layers = layers_of(tree)
    options = {"layers": [" : ".join(layer) for layer in layers]}
    check = LayersContract("layers", _session(tree), options).check(graph, verbose=False)
    shown = " > ".join(" | ".join(_business(tree, layer)) for layer in layers)
    for dependency in check.metadata["invalid_dependencies"]:
        for route in dependency["routes"]:
            chain = route["chain"]
            for start in (chain[0], *route["extra_firsts"]):
                yield _violation(
                    tree,
                    [start, *chain[1:]],
                    rule="layers",
                    fact=f"{dependency['importer']} imports {dependency['imported']}, "
                    f"which lies above it",
                    way_out=f"move what is shared down, let the host hand it in, or turn the "
                    f"call round with an event; {shown}",
                )


def _pure_contracts(tree: SourceTree, graph: grimp.ImportGraph) -> Iterator[Violation]:
    contracts = [f"modules.{module}.contract" for module in tree.modules]
    options = {
        "source_modules": [name for name in contracts if name in graph.modules],
        "forbidden_modules": list(FRAMEWORKS),
    }
    if not options["source_modules"]:
        return
    contract = ForbiddenContract("pure contracts", _session(tree), options)
    for broken in contract.check(graph, verbose=False).metadata["invalid_chains"]:
        # A direct import is judged by imports.py, with more to say.
        for chain in (chain for chain in broken["chains"] if len(chain) > 1):
            yield _violation(
                tree,
                chain,
                rule="contract-purity",
                fact=f"{broken['downstream_module']} reaches {broken['upstream_module']}",
                way_out="a contract imports the standard library and modules.platform.contracts "
                "only; say it with scalars and frozen dataclasses",
            )


def _violation(
    tree: SourceTree, chain: Sequence[Link], *, rule: str, fact: str, way_out: str
) -> Violation:
    names = [chain[0]["importer"], *(link["imported"] for link in chain)]
    through = f" ({' -> '.join(names)})" if len(names) > 2 else ""
    lines = chain[0]["line_numbers"] or (None,)
    return Violation(
        path=tree.path_of(chain[0]["importer"]),
        line=lines[0] or 0,
        rule=rule,
        fact=fact + through,
        way_out=way_out,
    )


def _session(tree: SourceTree) -> dict[str, Any]:
    return {"root_packages": list(tree.packages), "include_external_packages": "True"}


def _business(tree: SourceTree, layer: Sequence[str]) -> Sequence[str]:
    is_business = layer[0].removeprefix("modules.") in tree.modules
    return ["the business modules"] if is_business else layer
