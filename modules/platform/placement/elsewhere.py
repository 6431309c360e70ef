"""The ways to modules that this host calls and does not compose: to hosts with their own data."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from django.conf import settings

from modules.platform.binding import route
from modules.platform.contracts import module_of
from modules.platform.discovery import LeastLoaded, OfRole, Role
from modules.platform.grpc_calls.ways import way_to
from modules.platform.placement.installing import Awaited, own_registry
from modules.platform.rpc import Chooser


def modules_elsewhere() -> Mapping[str, type]:
    """Module to port, of those that this host's modules declare to call and that are not here."""
    called = (
        port
        for name in settings.FICUS_MODULES
        for port in import_module(f"modules.{name}.module").MODULE.calls
    )
    return {
        module_of(port): port for port in called if module_of(port) not in settings.FICUS_MODULES
    }


def install(chooser: Chooser | None = None) -> None:
    """Route their ports to the instances that this host's registry lists with the role ``own``.

    Nothing is asked before the first call.
    """
    missing = modules_elsewhere()
    if not missing:
        return
    instances = chooser or LeastLoaded(OfRole(Awaited(own_registry()), Role.OWN))
    for module, port in missing.items():
        route(port, way_to(module, instances))
