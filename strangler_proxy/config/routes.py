"""Which request goes where, and what happens to it on the way."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from strangler_proxy.config.cache import Cache
from strangler_proxy.config.credentials import Demand
from strangler_proxy.config.kinds import (
    Host,
    Method,
    Name,
    Part,
    Path,
    Seconds,
    Size,
    Status,
    StickyKey,
)
from strangler_proxy.config.mirroring import Mirror
from strangler_proxy.config.rules import Answer, RequestRules, ResponseRules


class Retry(Part, frozen=True):
    """Repeats idempotent requests, and those with an Idempotency-Key, elsewhere."""

    attempts: Annotated[int, Meta(ge=1, le=10)] = 2  # in all
    statuses: tuple[Status, ...] = (503,)
    body_bytes: Size = 65_536  # larger bodies are not kept for a second attempt


class Fallback(Part, frozen=True):
    """What is answered instead of ``statuses`` made by us or by the upstream.

    Exactly one of ``upstream`` (asked once, idempotent methods only), ``answer`` and ``stale``
    (what the route's cache still has, whatever its age).
    """

    statuses: tuple[Status, ...] = (502, 503, 504)
    upstream: Name | None = None
    answer: Answer | None = None
    stale: bool = False


class Route(Part, frozen=True):
    """The longest prefix wins; exactly one of ``capability``, ``upstream`` and ``answer``."""

    name: Name
    prefix: Path
    exact: bool = False  # the whole path, not a prefix
    hosts: tuple[Host, ...] = ()  # any, if none is named; *.example.org is a suffix
    methods: tuple[Method, ...] = ()  # any, if none is named; others get 405
    capability: Name | None = None
    upstream: Name | None = None
    answer: Answer | None = None
    authentication: Demand = Demand.REQUIRED
    scopes: tuple[str, ...] = ()  # the token must have them all
    # First that the request has: identity, address, header:NAME, cookie:NAME.
    sticky: Annotated[tuple[StickyKey, ...], Meta(min_length=1)] = ("identity", "address")
    deadline_seconds: Seconds = 30.0
    request_bytes: Size = 16_777_216
    response_bytes: Size = 1 << 40
    retry: Retry = Retry()
    rate_limits: tuple[Name, ...] = ()
    cache: Cache | None = None
    request: RequestRules | None = None
    response: ResponseRules | None = None
    fallback: Fallback | None = None
    mirror: Mirror | None = None
    upgrade: tuple[Literal["websocket"], ...] = ()
