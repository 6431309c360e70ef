"""Whether one more copy may be sent: the bulkheads of mirrors.

Every request of a mirrored route asks, also while a mirror hangs and nobody gets a place: that has
to cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from strangler_proxy.config import Mirror
from strangler_proxy.metrics import Count, Event, Metrics
from strangler_proxy.upstream import Upstream

REST: Final = 0.05  # seconds; so long an upstream whose breakers were found open is left in peace


class _Bulkhead:
    """Of the copies for one upstream."""

    __slots__ = ("dropped", "rests_until", "under_way")

    def __init__(self, dropped: Count) -> None:
        self.dropped = dropped
        self.rests_until = float("-inf")
        self.under_way = 0


class Places:
    """Of all mirrors. Who sends a copy takes one, and leaves it when the copy is over."""

    __slots__ = ("_bulkheads", "_clock", "_metrics")

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._bulkheads: dict[str, _Bulkhead] = {}

    def has(self, mirror: Mirror, upstream: Upstream) -> bool:
        """Whether one more copy may be sent to the mirror's upstream; if not, it is counted.

        None is made for one whose breakers are open: each would fail at once, and cost as much as
        one that is answered.
        """
        bulkhead = self._bulkhead(upstream.name)
        if bulkhead.under_way < mirror.concurrent:
            now = self._clock()
            if now >= bulkhead.rests_until:
                if not upstream.balancer.rests(now):
                    return True
                bulkhead.rests_until = now + REST
        bulkhead.dropped.value += 1
        return False

    def take(self, name: str) -> None:
        self._bulkhead(name).under_way += 1

    def leave(self, name: str) -> None:
        self._bulkhead(name).under_way -= 1

    def _bulkhead(self, name: str) -> _Bulkhead:
        bulkhead = self._bulkheads.get(name)
        if bulkhead is None:
            dropped = self._metrics.counter(Event.MIRRORED, name, "dropped")
            bulkhead = self._bulkheads[name] = _Bulkhead(dropped)
        return bulkhead
