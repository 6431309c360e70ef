"""The project itself keeps every rule: its source, its live registry, its contracts' snapshots."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings

from modules.platform.boundaries.checks import check_host, check_source
from modules.platform.boundaries.declarations import read_declarations
from modules.platform.boundaries.rendering import as_text
from modules.platform.boundaries.snapshots import check_drift
from modules.platform.boundaries.source import Ref, SourceTree
from modules.platform.contracts import Module, module_of

ROOT = Path(settings.BASE_DIR)
MODULES = SourceTree(ROOT).modules
COMPOSED = [one for one in MODULES if one not in settings.FICUS_RETIRED]


def test_source_keeps_the_boundaries() -> None:
    """Imports, rooms, declarations, calls, events and names."""
    violations = check_source(ROOT)

    assert not violations, as_text(violations)


def test_host_keeps_the_boundaries() -> None:
    """Models, migrations, signals, bound ports and subscriptions."""
    violations = check_host(ROOT)

    assert not violations, as_text(violations)


@pytest.mark.parametrize("module", MODULES)
def test_snapshot_is_what_the_contract_is(module: str) -> None:
    """``manage.py modules schema --write`` was not forgotten."""
    violations = tuple(check_drift(ROOT, [module]))

    assert not violations, as_text(violations)


@pytest.mark.parametrize("module", COMPOSED)
def test_declaration_is_read_as_python_evaluates_it(module: str) -> None:
    """What the checks read from the source is the object that the host gets."""
    read = read_declarations(SourceTree(ROOT))[0][module]

    live: Module = import_module(f"modules.{module}.module").MODULE

    assert (read.name, read.purpose, read.owner) == (live.name, live.purpose, live.owner)
    assert read.extractable == live.extractable
    assert read.port == _ref(live.port)
    assert read.calls == tuple(map(_ref, live.calls))
    assert read.publishes == tuple(map(_ref, live.publishes))
    assert read.consumes == tuple(map(_ref, live.consumes))


def _ref(cls: type) -> Ref:
    return Ref(module_of(cls), cls.__name__)
