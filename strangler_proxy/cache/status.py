"""The Cache-Status field (RFC 9211): what this cache did with a request."""

from __future__ import annotations

from strangler_proxy.cache.planning import Plan
from strangler_proxy.cache.stored import Stored
from strangler_proxy.errors import Field

_NAME = b"cache-status"
_CACHE = b"ficus"


def hit(plan: Plan, stored: Stored, now: float) -> tuple[Field, ...]:
    """Served from here; what is left of its freshness is negative when it is stale."""
    if not plan.rules.policy.status_header:
        return ()
    return ((_NAME, b"%b; hit; ttl=%d" % (_CACHE, stored.fresh_until - now)),)


def forwarded(
    plan: Plan, status: int | None, *, stored: bool = False, detail: bytes = b""
) -> tuple[Field, ...]:
    """Asked upstream, which answered ``status`` or not at all."""
    if not plan.rules.policy.status_header or plan.why is None:
        return ()
    value = b"%b; fwd=%b" % (_CACHE, plan.why.encode())
    if status is not None:
        value += b"; fwd-status=%d" % status
    if stored:
        value += b"; stored"
    if detail:
        value += b"; detail=" + detail
    return ((_NAME, value),)
