"""One instance of an upstream at run time: what the balancer knows of it."""

from __future__ import annotations

import math
from typing import Any

from modules.platform.resilience import CircuitBreaker

NEVER = -math.inf  # a time before all others


class Member:
    """One instance at run time. Read it freely; only its balancer changes it, but for ``pool``."""

    __slots__ = (
        "address",
        "breaker",
        "checked",
        "draining",
        "ejected_until",
        "ejections",
        "failed",
        "failures",
        "healthy",
        "inflight",
        "opened_at",
        "pool",
        "requests",
        "weight",
    )

    def __init__(self, address: str, weight: int, breaker: CircuitBreaker | None) -> None:
        self.address = address
        self.weight = weight
        self.breaker = breaker
        self.pool: Any = None  # whoever dials keeps its connections here
        self.inflight = 0
        self.healthy = True  # by active checks
        self.checked = False  # whether an active check has ended yet
        self.draining = False  # gone from discovery, still working on requests
        self.failures = 0  # in a row
        self.opened_at: float | None = None  # its breaker, as counted last
        self.ejections = 0  # how often of late; makes the next one longer
        self.ejected_until = NEVER
        self.requests = 0  # ended, since the member is known
        self.failed = 0  # of these

    def __repr__(self) -> str:
        return f"<Member {self.address}>"


def describe(member: Member, now: float) -> dict[str, Any]:
    """How it stands, for people."""
    return {
        "address": member.address,
        "weight": member.weight,
        "inflight": member.inflight,
        "healthy": member.healthy,
        "checked": member.checked,
        "draining": member.draining,
        "ejected_seconds": max(0.0, member.ejected_until - now),
        "breaker": member.breaker.state.value if member.breaker else None,
        "consecutive_failures": member.failures,
        "requests": member.requests,
        "failed": member.failed,
    }
