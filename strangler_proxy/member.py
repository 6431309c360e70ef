"""One instance of an upstream at run time: what the balancer knows of it."""

from __future__ import annotations

import math
from typing import Any

from strangler_proxy.breaking import MemberBreaker

NEVER = -math.inf  # a time before all others


class Member:
    """One instance at run time. Read it freely; only its balancer changes it, but for ``pool``."""

    __slots__ = (
        "_slot_ends",
        "_well",
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
        "round",
        "weight",
    )

    def __init__(self, address: str, weight: int, breaker: MemberBreaker | None) -> None:
        self.address = address
        self.weight = weight
        self.breaker = breaker
        self.pool: Any = None  # whoever dials keeps its connections here
        self.round = -1  # of the breaker while it is closed; -1: it must be asked
        self._well = 0  # calls that went well, and of which the breaker does not know yet
        self._slot_ends = NEVER  # the first moment that is of another slot than they are
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

    def enter(self) -> int:
        """A ticket of the breaker, -1 without one. Raises CircuitOpen."""
        breaker = self.breaker
        if breaker is None:
            return -1
        ticket = breaker.enter()
        if breaker.opened_at is None:
            self.round = ticket  # for all until a call fails
        return ticket

    def went_well(self, moment: float) -> None:
        """A call of this round did. The breaker counts by slots of its window: so it is told once
        for each, or before a failure. ``moment`` is the time in slots."""
        if moment >= self._slot_ends:
            self._tell()
            self._slot_ends = math.floor(moment) + 1.0
        self._well += 1

    def leave(self, ticket: int, failed: bool | None) -> None:
        """The call of a ticket is over in a way that may open or close the breaker."""
        breaker = self.breaker
        if breaker is None:
            return
        self._tell()
        if failed is None:
            breaker.forget(ticket)
        else:
            breaker.leave(ticket, failed=failed)
        self.round = -1

    def forget(self) -> None:
        """The breaker is another, or has forgotten what it counted."""
        self.round, self._well, self._slot_ends = -1, 0, NEVER

    def _tell(self) -> None:
        if self._well and self.breaker is not None:
            self.breaker.went_well(self._well, self._slot_ends - 1.0)
            self._well = 0

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
