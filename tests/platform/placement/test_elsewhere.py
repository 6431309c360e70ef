"""The ways to modules that a host calls and does not compose."""

from __future__ import annotations

from typing import Any

import pytest

from modules.catalog.contract import Catalog
from modules.inventory.contract import Inventory
from modules.platform.binding import implementation_of, routed, use
from modules.platform.binding.routes import LocalRoute
from modules.platform.discovery import LeastLoaded, StaticSource
from modules.platform.placement.elsewhere import install, modules_elsewhere
from modules.platform.rpc import ModuleUnreachable
from tests.platform.example import EXAMPLE

NOBODY = LeastLoaded(StaticSource({}))


@pytest.fixture(autouse=True)
def _host(settings: Any) -> None:
    """One of three modules that call nobody else: cart calls the others, catalog inventory."""
    settings.FICUS_MODULES = ["catalog", "cart", EXAMPLE]


def without(settings: Any, *modules: str) -> None:
    settings.FICUS_MODULES = [name for name in settings.FICUS_MODULES if name not in modules]


def test_host_that_composes_all_has_none_elsewhere() -> None:
    """And routes nothing."""
    assert modules_elsewhere() == {}
    install(NOBODY)
    assert use(Inventory).availability(skus=()) == ()


def test_what_is_called_and_not_composed_is_elsewhere(settings: Any) -> None:
    """By the declarations of the modules that are here."""
    without(settings, EXAMPLE, "catalog")
    assert modules_elsewhere() == {EXAMPLE: Inventory, "catalog": Catalog}
    settings.FICUS_MODULES = [EXAMPLE]  # nobody else calls the catalogue
    assert modules_elsewhere() == {}


def test_calls_lead_to_the_modules_own_host(settings: Any) -> None:
    """While nobody is listed there the module is unreachable, which is retryable."""
    without(settings, EXAMPLE)
    with routed(Inventory, LocalRoute(implementation_of(Inventory))):
        install(NOBODY)
        with pytest.raises(ModuleUnreachable) as raised:
            use(Inventory).availability(skus=("a",))
    assert raised.value.retryable
    assert raised.value.module == EXAMPLE
