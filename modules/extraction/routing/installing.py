"""What a host does so that its calls and its bus go by the authority; ``apps.py`` does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modules.extraction.modules_here import movable_modules
from modules.extraction.routing.calls import AuthorityRoute, WhileThere
from modules.extraction.routing.watching import Authorities, authorities
from modules.platform.binding import Method, port_of, route, use
from modules.platform.discovery import LeastLoaded, OfRole, Role
from modules.platform.grpc_calls.ways import way_to
from modules.platform.messaging.authority import install_authority
from modules.platform.placement.installing import Awaited, own_registry
from modules.platform.placement.watching import of as placed_of
from modules.platform.rpc import Chooser

FIRST_ANSWER = 2.0  # seconds


def install(chooser: Chooser | None = None, by: Authorities | None = None) -> None:
    """Lead calls of each movable module to whoever has its data, and leave its outbox to them.

    On top of the way that is installed: that one answers while the data is the monolith's.
    """
    known = by or authorities()
    source = OfRole(Awaited(own_registry()), Role.OWN)
    instances = WhileThere(chooser or LeastLoaded(source), known)
    is_divided = lambda module: placed_of(module).percent > 0  # noqa: E731
    for module in movable_modules():
        port = port_of(module)
        if port is not None:
            before: object = use(port)
            there = way_to(module, instances)
            route(port, AuthorityRoute(_way_of(before), there, known, divided=is_divided))

    def is_ours(module: str) -> bool:
        known.wait(FIRST_ANSWER)  # once in a process's life: a command asks only once
        return not known.of(module).is_services

    install_authority(is_ours)


def _way_of(stub: object) -> Callable[[Method], Callable[..., Any]]:
    """The callers of what answers now."""
    return lambda method: getattr(stub, method.name)
