"""A host that places modules, with calls and queues going by its table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from modules.platform.binding import implementation_of, port_of, route
from modules.platform.binding.routes import LocalRoute
from modules.platform.discovery import LeastLoaded
from modules.platform.messaging.carrier import install_placement
from modules.platform.placement import watching
from modules.platform.placement.installing import (
    install,
    origin_instances,
    own_registry,
    placeable_modules,
)
from modules.platform.placement.queueing import goes_to_service
from modules.platform.placement.watching import Watcher, watcher
from tests.platform.placement.tables import Still


@pytest.fixture(scope="module", autouse=True)  # the ways are of all tests in this process
def _placing_host(django_db_setup: None) -> Iterator[None]:
    """The shop with its ways and queues divided."""
    before = install_placement(lambda module, part: False)
    registry = own_registry()
    install(LeastLoaded(origin_instances(registry)))
    yield
    registry.close()
    watcher().close()
    watching._watcher = None  # the next tests' host begins with its own
    install_placement(before)
    for module in placeable_modules():
        port = port_of(module)
        assert port is not None
        route(port, LocalRoute(implementation_of(port)))


@pytest.fixture(autouse=True)
def _no_front_door(settings: Any) -> None:
    """Tests that have one name it."""
    settings.PLACEMENT_FRONT_DOORS = []


@pytest.fixture
def still() -> Iterator[Still]:
    """A table in memory that the queues go by; ``place("inventory", 30)`` is known at once."""
    table = Still()
    known = Watcher(table)
    table.watcher = known
    before = install_placement(goes_to_service(known.of))
    yield table
    install_placement(before)
    known.close()
