"""What a host does so that its calls and its queues go by the table; ``apps.py`` does it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from modules.platform.binding import implementation_of, port_of, route
from modules.platform.binding.routes import LocalRoute
from modules.platform.contracts import Module
from modules.platform.discovery import (
    Contracts,
    Instance,
    LeastLoaded,
    OfRole,
    RegistrySource,
    Role,
    Source,
)
from modules.platform.grpc_calls.ways import way_to
from modules.platform.messaging.carrier import install_placement
from modules.platform.placement.queueing import goes_to_service
from modules.platform.placement.splitting import SplitRoute
from modules.platform.placement.watching import Watcher, watcher
from modules.platform.rpc import Chooser

FIRST_ANSWER = 2.0  # seconds


def placeable_modules() -> tuple[str, ...]:
    """The modules of this host that say of themselves that they may be moved out."""
    return tuple(name for name in settings.FICUS_MODULES if _declared(name).extractable)


def _declared(module: str) -> Module:
    declared: Module = import_module(f"modules.{module}.module").MODULE
    return declared


class Awaited:
    """A registry that is given a moment to answer the first question of a process."""

    def __init__(self, source: RegistrySource) -> None:
        self._source = source

    def instances(self, module: str) -> tuple[Instance, ...]:
        """Waits once in a process's life, and no longer than a poll may take."""
        self._source.wait(FIRST_ANSWER)
        return self._source.instances(module)


def own_registry() -> RegistrySource:
    """The registry that this host keeps, as its calls look at it."""
    return RegistrySource.from_table(Contracts.below(Path(settings.BASE_DIR)))


def origin_instances(registry: RegistrySource) -> Source:
    """The instances that work on this host's data."""
    return OfRole(Awaited(registry), Role.ORIGIN)


def install(chooser: Chooser | None = None, by: Watcher | None = None) -> None:
    """Split the way to each module that may be moved out, and its queue.

    Raises ImproperlyConfigured when one of them has not bound its port yet.
    """
    table = by or watcher()
    instances = chooser or LeastLoaded(origin_instances(own_registry()))
    for module in placeable_modules():
        port = port_of(module)
        if port is None:
            raise ImproperlyConfigured(
                f"{module} has not bound its port: in INSTALLED_APPS, "
                f"modules.platform.placement.apps.PlacementConfig comes after the modules' apps"
            )
        here, there = LocalRoute(implementation_of(port)), way_to(module, instances)
        route(port, SplitRoute(here, there, table))
    install_placement(goes_to_service(table.of))
