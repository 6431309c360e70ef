"""Decides where a request goes, and says why: a pure function of request, table, time and chance.

Order: the path can be read, ``/rpc`` is closed, a route matches, the method fits, the credentials
suffice; then the phase of the capability (or a tester's wish) gives the side. Nothing here waits,
and nothing raises: a refusal is part of the decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Final, Protocol

from strangler_proxy.auth.identity import MISSING, Identity
from strangler_proxy.cohorts import bucket_of, is_in
from strangler_proxy.config import Mirror
from strangler_proxy.errors import Refusal
from strangler_proxy.paths import BAD_TARGET, canonical, is_internal, is_plain, split_absolute

if TYPE_CHECKING:
    from strangler_proxy.compiled import CompiledCapability, CompiledRoute
    from strangler_proxy.table import Entry, Table

SAFE_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})
OVERRIDE: Final = b"ficus-route"  # of staff: service or monolith

NOT_FOUND: Final = Refusal(404, "not_found", "No route leads here.")
CLOSED: Final = replace(NOT_FOUND)  # /rpc: outside it looks as if there were nothing
UNKNOWN_SIDE = Refusal(400, "bad_request", "Ficus-Route is service or monolith.")


class Request(Protocol):
    """What is read of a request.

    ``target`` as sent, ``path`` is it up to the query, ``host`` in lower case without port; names
    in ``headers`` in lower case, repeated fields joined by ", ", cookies by "; ".
    """

    method: bytes
    target: bytes
    path: bytes
    host: bytes
    headers: dict[bytes, bytes]
    address: str
    secure: bool


Identify = Callable[[Request, float], Identity | Refusal | None]


class Side(StrEnum):
    """Who answers."""

    MONOLITH = "monolith"
    SERVICE = "service"
    DIRECT = "direct"  # the one upstream of the route
    ANSWER = "answer"  # the front door itself


class Reason(StrEnum):
    """Why it was decided so."""

    PHASE = "phase"  # the phase has one side
    COHORT = "cohort"  # the bucket of the sticky key
    NO_KEY = "no_key"  # a canary, and the request has no sticky key
    OVERRIDE = "override"  # a tester's wish
    UPSTREAM = "upstream"  # the route has one upstream
    ANSWER = "answer"  # the route has a fixed answer
    BAD_PATH = "bad_path"
    INTERNAL_PATH = "internal_path"
    NO_ROUTE = "no_route"
    METHOD = "method"
    CREDENTIALS = "credentials"
    SCOPES = "scopes"
    OVERRIDE_REFUSED = "override_refused"


_FIELDS = (
    *("alternative", "bucket", "epoch", "held", "identity", "key", "mirror", "phase"),
    *("reason", "refusal", "route", "side", "upstream"),
)


class Decision:
    """Where a request goes. Made for each request; who carries it out may change it.

    ``alternative`` may be asked when ``upstream`` is unavailable. ``mirror`` is sampled already.
    ``bucket`` is -1 where none was needed. ``held``: a command, and authority is moving.
    """

    __slots__ = _FIELDS

    def __init__(
        self,
        reason: Reason,
        side: Side,
        upstream: str = "",
        route: CompiledRoute | None = None,
        refusal: Refusal | None = None,
        identity: Identity | None = None,
        alternative: str | None = None,
        mirror: Mirror | None = None,
        phase: str = "",
        epoch: int = 0,
        held: bool = False,
        bucket: int = -1,
        key: str = "",
    ) -> None:
        self.reason = reason
        self.side = side
        self.upstream = upstream
        self.route = route
        self.refusal = refusal
        self.identity = identity
        self.alternative = alternative
        self.mirror = mirror
        self.phase = phase
        self.epoch = epoch
        self.held = held
        self.bucket = bucket
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and all(
            getattr(self, name) == getattr(other, name) for name in _FIELDS
        )


def decide(request: Request, table: Table, now: float, rng: Random, identify: Identify) -> Decision:
    """``now`` is Unix time; ``identify`` verifies credentials and is not asked where none count."""
    path, host = request.path, request.host
    entry = table.recall(host, path)
    if entry is None:
        searched = _search(table, host, path)
        if isinstance(searched, Decision):
            return searched
        entry, path = searched
    route = entry.routes.get(request.method, entry.other)
    if route is None:
        return _refused(entry.reason, entry.refusal)
    if route.strips and is_internal(path[len(route.prefix) :]):
        return _refused(Reason.INTERNAL_PATH, CLOSED, route)
    identity: Identity | None = None
    if route.asks:
        found = identify(request, now)
        if found is None or isinstance(found, Refusal) or route.scopes:
            refused = _not_admitted(request, route, found)
            if refused is not None:
                return refused
        identity = found  # type: ignore[assignment]  # refusals have been returned
    capability = route.capability
    if capability is None:
        mirror = _sampled(route, request.method, rng) if route.mirror is not None else None
        return Decision(
            route.reason, route.side, route.upstream, route, None, identity, None, mirror
        )
    return _for_capability(request, route, capability, identity, rng)


def _search(table: Table, host: bytes, path: bytes) -> tuple[Entry, bytes] | Decision:
    """The routes of a path that was not asked for lately, and the path in its one spelling."""
    if is_plain(path) is not None:
        entry = table.find(host, path)
        if entry is not None:
            table.learn(host, path, entry)
    else:
        plain = readable(path, host)
        if isinstance(plain, Refusal):
            return _refused(Reason.INTERNAL_PATH if plain is CLOSED else Reason.BAD_PATH, plain)
        host, path = plain
        entry = table.find(host, path)
    return _refused(Reason.NO_ROUTE, NOT_FOUND) if entry is None else (entry, path)


def readable(path: bytes, host: bytes) -> tuple[bytes, bytes] | Refusal:
    """Host and canonical path of a target that is not plain."""
    if path[:1] != b"/":
        absolute = split_absolute(path)
        if absolute is None:
            return BAD_TARGET
        host, path = absolute
    plain = canonical(path)
    if isinstance(plain, Refusal):
        return plain
    return CLOSED if is_internal(plain) else (host, plain)


def _refused(
    reason: Reason,
    refusal: Refusal,
    route: CompiledRoute | None = None,
    identity: Identity | None = None,
) -> Decision:
    return Decision(reason, Side.ANSWER, "", route, refusal, identity)


def _not_admitted(
    request: Request, route: CompiledRoute, found: Identity | Refusal | None
) -> Decision | None:
    """The refusal of credentials that do not suffice.

    What only the upstream can verify has no scopes that we know, so it opens no route with scopes.
    """
    if isinstance(found, Refusal):
        return _refused(Reason.CREDENTIALS, found, route)
    if found is None:
        if not route.demands or _is_preflight(request):
            return None
        return _refused(Reason.CREDENTIALS, MISSING, route)
    if all(found.may(scope) for scope in route.scopes):
        return None
    return _refused(Reason.SCOPES, route.scopes_missing, route, found)


def _is_preflight(request: Request) -> bool:
    """A browser sends these without credentials (Fetch, section 4.8)."""
    headers = request.headers
    return (
        request.method == b"OPTIONS"
        and b"origin" in headers
        and b"access-control-request-method" in headers
    )


def _for_capability(
    request: Request,
    route: CompiledRoute,
    capability: CompiledCapability,
    identity: Identity | None,
    rng: Random,
) -> Decision:
    bucket, key = -1, ""
    if OVERRIDE in request.headers and identity is not None and identity.staff:
        wish = request.headers[OVERRIDE]
        outcome = capability.wishes.get(wish.strip().lower(), UNKNOWN_SIDE)
        if isinstance(outcome, Refusal):
            return _refused(Reason.OVERRIDE_REFUSED, outcome, route, identity)
    elif capability.percent < 0:
        outcome = capability.settled
    else:
        bucket, key = _place(request, route, identity)
        outcome = capability.canary(is_in(bucket, capability.percent), bucket)
    held = capability.held and request.method not in SAFE_METHODS
    mirror = None
    if route.mirror is not None and not held and outcome.side in route.mirrored_sides:
        mirror = _sampled(route, request.method, rng)
    return Decision(
        outcome.reason,
        outcome.side,
        outcome.upstream,
        route,
        None,
        identity,
        outcome.alternative,
        mirror,
        capability.phase,
        capability.epoch,
        held,
        bucket,
        key,
    )


def _place(request: Request, route: CompiledRoute, identity: Identity | None) -> tuple[int, str]:
    """The bucket of the first sticky key that the request has, and that key; -1 without any."""
    for source in route.sticky:
        if identity is not None and source.kind == "identity":
            if identity.bucket >= 0:
                return identity.bucket, identity.subject
        elif key := source.key(request, identity):
            return bucket_of(key), key.decode(errors="replace")
    return -1, ""


def _sampled(route: CompiledRoute, method: bytes, rng: Random) -> Mirror | None:
    """The route's mirror, for so many requests of a hundred."""
    mirror = route.mirror
    if mirror is None or method not in route.mirrored:
        return None
    return mirror if mirror.percent == 100 or rng.random() * 100 < mirror.percent else None
