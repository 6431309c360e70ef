"""Pytest plugin (``-p tests.retired``): what remains to be tested where modules are retired.

With ``RETIRED_MODULES=payment`` their implementation cannot be imported, so the tests of it are not
collected: the module's own folders, and files that import more of it than its contract. Everything
else must pass (``make retired``): of the modules, the shop, and the platform, whose tests take a
module for their example that cannot be retired (``tests/platform/example.py``). Without the
variable this plugin does nothing.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.platform.boundaries.retired import retired_part

RETIRED = tuple(name for name in os.environ.get("RETIRED_MODULES", "").split(",") if name)
TESTS = Path(__file__).parent


def is_of_retired(path: Path) -> bool:
    """Whether a folder or file tests what cannot be imported here."""
    if any(path == TESTS / "modules" / name for name in RETIRED):
        return True
    return path.suffix == ".py" and any(retired_part(one, RETIRED) for one in _imports(path))


def left_out(folder: Path) -> Iterator[Path]:
    """What is not collected of a folder."""
    for path in sorted(folder.iterdir()):
        if is_of_retired(path):
            yield path
        elif path.is_dir():
            yield from left_out(path)


def _imports(path: Path) -> set[str]:
    """Names of all modules that the file may import, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return found


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave it out."""
    return True if RETIRED and is_of_retired(collection_path) else None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is left out."""
    if not RETIRED:
        return []
    folders = [one for one in map(Path, config.args) if one.is_dir()]
    paths = [str(path) for folder in folders for path in left_out(folder.resolve())]
    short = [path.removeprefix(f"{TESTS.parent}/") for path in paths]
    return [f"retired: {', '.join(RETIRED)}; not collected: {', '.join(short) or 'nothing'}"]
