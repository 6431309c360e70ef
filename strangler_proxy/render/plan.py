"""What a routing document asks for, read once for all targets: order, hosts, sides, sources.

A target walks ``hosts(document)``; below each host stand the routes in the order in which they
must be tried, and of each route ``sides_of`` says who answers and ``copy_of`` who gets copies.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from strangler_proxy.config import Demand, Document, Listen, Mirror, Phase, Route

# Fields that mean something between our own processes; from outside they are taken away.
INTERNAL_PREFIXES = ("ficus-", "x-ficus-")
CHOICE = "ficus-route"  # service or monolith; staff may send it
SUBJECT, SCOPES = "ficus-subject", "ficus-scopes"  # of a verified token; the upstream is told
DEADLINE = "ficus-deadline"  # milliseconds that the upstream has
MIRRORED = "ficus-mirror"  # 1 on a copy: nobody waits for its answer
STAFF = "x-ficus-staff"  # the claim that says so, from step to step
INTERNAL_PATH = "(?i)/+rpc((;|/|%3b).*)?"  # calls between hosts; never routed
MOVED = (Phase.EXTRACTED, Phase.RETIRED)  # the service has the authority
# By name, for targets that cannot take away all that begin alike.
INTERNAL_REQUEST = (
    *("Ficus-Route", "Ficus-Subject", "Ficus-Scopes", "Ficus-Staff", "Ficus-Epoch"),
    *("Ficus-Mirror", "X-Ficus-Subject", "X-Ficus-Staff"),
)
IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
UNLIMITED = 1 << 40  # the largest Size: as good as none
WHOLE = 100  # percent


def networks(listen: Listen) -> list[str]:
    """Of its trusted proxies those that have an address; the others come by a unix socket."""
    return [one for one in listen.trusted_proxies if one != "unix:"]


@dataclass(frozen=True, slots=True)
class Place:
    """A route below one of its hosts, and where it stands in the document."""

    route: Route
    path: str  # $.routes[3]
    host: str | None = None  # None: any

    @property
    def bare(self) -> str:
        """The prefix without its last slash; empty for the root."""
        return self.route.prefix.rstrip("/")


@dataclass(frozen=True, slots=True)
class Sides:
    """Who answers a route: ``main``, and ``canary`` the upper ``percent`` of sticky keys.

    ``relief`` is asked when the service has no instance left: the monolith, while it is the
    authority. ``choices`` are the sides that staff may ask for and their upstreams; None is one
    that may not answer now (409).
    """

    main: str
    canary: str | None = None
    percent: int = 0
    relief: str | None = None
    choices: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Copy:
    """A mirror and where it stands in the document. ``of_monolith``: only of its answers."""

    mirror: Mirror
    path: str
    owner: str  # the route or the capability whose requests are copied
    of_monolith: bool


@dataclass(frozen=True, slots=True)
class Unmet:
    """A path whose routes know only ``methods``: all others are answered 405."""

    place: Place
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Host:
    """``name`` answers by ``places``, first match first. None: all other hosts."""

    name: str | None
    places: tuple[Place, ...]

    @property
    def label(self) -> str:
        """A name for configuration, without stars."""
        return (self.name or "any").replace("*", "any")


def groups(document: Document) -> tuple[Host, ...]:
    """Each host with its own routes only: whole names, suffixes from long to short, the rest.

    Tried in this order, the first route that fits is the one.
    """
    found: dict[str | None, list[Place]] = {None: []}
    for i, route in enumerate(document.routes):
        for name in route.hosts or (None,):
            found.setdefault(name, []).append(Place(route, f"$.routes[{i}]", name))
    named = sorted(filter(None, found), key=lambda name: (name.startswith("*"), -len(name), name))
    return tuple(Host(name, tuple(_ordered(found[name]))) for name in (*named, None))


def hosts(document: Document) -> tuple[Host, ...]:
    """Each host with all its routes: where its own end, those of the suffixes it is in go on."""
    every = groups(document)
    found = []
    for at, host in enumerate(every):
        wider = [one for one in every[at + 1 :] if host.name and is_within(host.name, one.name)]
        chain = (host, *wider)
        found.append(Host(host.name, tuple(place for one in chain for place in one.places)))
    return tuple(found)


def is_within(name: str, suffix: str | None) -> bool:
    """Whether a host, or all hosts of a suffix, end as ``*.suffix`` says; all do as None does."""
    return suffix is None or (suffix.startswith("*.") and name.endswith(suffix[1:]))


def _ordered(found: Iterable[Place]) -> list[Place]:
    """Exact paths, then long prefixes; of one path those for some methods first."""
    return sorted(
        found, key=lambda p: (not p.route.exact, -len(p.bare), p.bare, not p.route.methods)
    )


def places(document: Document) -> tuple[Place, ...]:
    """Each route once, in the document's order."""
    return tuple(Place(route, f"$.routes[{i}]") for i, route in enumerate(document.routes))


def steps(found: tuple[Place, ...]) -> Iterator[Place | Unmet]:
    """The routes of a host and, after the last of each path, what its methods leave over."""
    for _, group in groupby(found, key=lambda p: (p.host, p.route.prefix, p.route.exact)):
        same = tuple(group)
        yield from same
        if all(place.route.methods for place in same):
            known = sorted({method for place in same for method in place.route.methods})
            yield Unmet(same[-1], tuple(known))


def sides_of(document: Document, route: Route) -> Sides | None:
    """Who answers ``route``; None if the front door does."""
    if route.answer is not None:
        return None
    if route.capability is None:
        return Sides(main=route.upstream or "")
    capability = document.capabilities[route.capability]
    monolith, service, phase = capability.monolith, capability.service, capability.phase
    if phase in MOVED:
        return Sides(service or "", choices=(("service", service), ("monolith", None)))
    own = _is_bound_to_its_own(document, service)
    choices = (("service", None if own else service), ("monolith", monolith))
    if phase is not Phase.CANARY or service is None or capability.percent == 0:
        return Sides(monolith, choices=choices)
    if capability.percent == WHOLE:
        return Sides(service, relief=monolith, choices=choices)
    return Sides(monolith, service, capability.percent, monolith, choices)


def _is_bound_to_its_own(document: Document, service: str | None) -> bool:
    """Whether the service's instances are bound to a database without authority."""
    upstream = document.upstreams.get(service or "")
    return (
        upstream is not None and upstream.registry is not None and upstream.registry.role == "own"
    )


def copy_of(document: Document, place: Place) -> Copy | None:
    """To whom requests of a route are copied: in phase shadow the capability's mirror, if any."""
    route = place.route
    if route.capability is not None:
        capability = document.capabilities[route.capability]
        if capability.mirror is not None and capability.phase is Phase.SHADOW:
            path = f"$.capabilities.{route.capability}.mirror"
            return Copy(capability.mirror, path, route.capability, of_monolith=True)
    if route.mirror is None:
        return None
    return Copy(route.mirror, f"{place.path}.mirror", route.name, of_monolith=False)


def reliefs_of(route: Route, sides: Sides) -> dict[str, str]:
    """Which upstream is asked when another has no instance left."""
    found = {}
    if sides.relief is not None:
        found[sides.canary or sides.main] = sides.relief
    if route.fallback is not None and route.fallback.upstream not in (None, sides.main):
        found.setdefault(sides.main, route.fallback.upstream or "")
    return found


def words_for(scope: str) -> tuple[str, ...]:
    """The granted scopes that include ``scope``: itself, all of its module, all."""
    return tuple(dict.fromkeys((scope, f"{scope.partition(':')[0]}:*", "*")))


def asks_for_identity(document: Document) -> bool:
    """Whether any route looks at the caller's credentials."""
    return any(route.authentication is not Demand.NONE for route in document.routes)


def split_address(address: str) -> tuple[str, int]:
    """``("::1", 80)``; a socket file is ``("/path", 0)``."""
    if address.startswith("unix:"):
        return address[5:], 0
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def is_ip(host: str) -> bool:
    """Whether ``host`` needs no name server."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
