"""Runs the rules and answers with what is wrong; nothing is printed or raised here."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modules.platform.boundaries.cycles import check_cycles
from modules.platform.boundaries.declarations import read_declarations
from modules.platform.boundaries.honesty import check_honesty
from modules.platform.boundaries.imports import check_imports
from modules.platform.boundaries.names import check_names
from modules.platform.boundaries.source import SourceTree
from modules.platform.boundaries.violations import Violation, in_order
from modules.platform.boundaries.vocabulary import read_vocabulary


def check_source(root: Path, *, cache: Path | None = None) -> tuple[Violation, ...]:
    """What the source below ``root`` breaks. Runs none of it; ``cache`` keeps grimp's work.

    Raises ``SyntaxError`` for a file that is not Python.
    """
    # import-linter and grimp are for development; a production host never comes here.
    from modules.platform.boundaries.graph import edges, import_graph
    from modules.platform.boundaries.linter import linted

    with _collector_off():
        tree = SourceTree(root)
        declarations, wrong = read_declarations(tree)
        graph = import_graph(tree, cache=cache)
        return in_order(
            (
                *wrong,
                *linted(tree, graph),
                *check_imports(tree, edges(graph), declarations),
                *check_honesty(tree, declarations, read_vocabulary(tree)),
                *check_cycles(declarations),
                *check_names(tree),
            )
        )


def check_host(root: Path) -> tuple[Violation, ...]:
    """What the running host's models, migrations, signals and wiring break."""
    from modules.platform.boundaries.registry import check_registry
    from modules.platform.boundaries.wiring import check_wiring

    declarations, _ = read_declarations(SourceTree(root))
    return in_order((*check_registry(), *check_wiring(declarations)))


@contextmanager
def _collector_off() -> Iterator[None]:
    """Syntax trees all stay alive until the end: looking through them for garbage while they
    grow takes two fifths of the whole check.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
