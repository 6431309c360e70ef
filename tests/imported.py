"""Which third-party packages code imports, read from its source and not from what is installed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

from shop.env import ROOT

INTERNAL = {"modules", "shop", "extracted", "strangler_proxy", "tests"}


def imported(paths: Iterable[str]) -> dict[str, str]:
    """Top-level packages that are neither Python's nor ours, each with a file that imports it.

    ``paths`` are relative to the repository; those that are no Python source are passed over.
    """
    found: dict[str, str] = {}
    for path in paths:
        if path.endswith(".py"):
            for name in _top_level_names(ROOT / path):
                found.setdefault(name, path)
    for name in INTERNAL | set(sys.stdlib_module_names):
        found.pop(name, None)
    return found


def not_in(required: set[str], found: dict[str, str]) -> list[str]:
    """One line for each of ``found`` that no distribution of ``required`` brings."""
    homes = packages_distributions()
    return [
        f"{package}, imported by {place}, is in no requirements.in"
        for package, place in sorted(found.items())
        if not {_spelled(name) for name in homes.get(package, [package])} & required
    ]


def _spelled(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _top_level_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
