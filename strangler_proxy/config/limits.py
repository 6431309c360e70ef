"""How many requests an identity or an address may make."""

from __future__ import annotations

from typing import Literal

from strangler_proxy.config.kinds import Count, Part, Seconds


class RateLimit(Part, frozen=True):
    """``requests`` in ``seconds``, all at once if need be, for each identity or address."""

    requests: Count
    seconds: Seconds
    per: Literal["identity", "address"] = "identity"  # no identity: the address


class SharedLimits(Part, frozen=True):
    """Limits counted in Redis, for all proxies together; local ones stand in when it is down."""

    redis: str
    timeout_seconds: Seconds = 0.05
