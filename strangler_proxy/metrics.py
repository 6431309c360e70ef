"""Counts what the front door does: plain lists while it serves, a mergeable snapshot when asked.

Each worker process keeps its own ``Metrics``. No request makes text for Prometheus:
``control/exposition.py`` turns the merged snapshots of all workers into it.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Final

from strangler_proxy.counted import FAMILIES, Event, Served, Snapshot, Tally, merge

__all__ = [
    "BOUNDS",
    "FAMILIES",
    "Count",
    "Event",
    "Metrics",
    "Served",
    "Snapshot",
    "Tally",
    "merge",
]

# Seconds, upper bounds. Fine where a front door lives (half a millisecond to 100), coarse above.
BOUNDS: Final[tuple[float, ...]] = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
BUCKETS = len(BOUNDS) + 1  # the last one has no bound
# 499: the client went away before its answer, as nginx writes it.
STATUSES = frozenset(status.value for status in HTTPStatus) | {499}
MAX_SERIES = 20_000  # of each kind in one process; more are counted together under "other"
OTHER = "other"


class _Series:
    """The requests of one route, upstream and status. Attributes: compiled, they cost least."""

    __slots__ = ("buckets", "bytes_in", "bytes_out", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * BUCKETS
        self.bytes_in = 0
        self.bytes_out = 0
        self.seconds = 0.0


class Count:
    """So many events of one kind."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Metrics:
    """The counters of one process. Not safe between threads: it belongs to the event loop."""

    __slots__ = ("_counts", "_served")

    def __init__(self) -> None:
        self._served: dict[tuple[str, str, int], _Series] = {}
        self._counts: dict[tuple[str, ...], Count] = {}

    def observe(
        self,
        route: str,
        upstream: str,
        status: int,
        seconds: float,
        bytes_in: int,
        bytes_out: int,
    ) -> None:
        """Count one answered request. ``route`` and ``upstream`` are names of the table or ""."""
        try:
            one = self._served[route, upstream, status]
        except KeyError:
            one = self._first_served(route, upstream, status)
        one.seconds += seconds
        one.bytes_in += bytes_in
        one.bytes_out += bytes_out
        place = 0  # most are fast: the first bounds decide
        while place < len(BOUNDS) and seconds > BOUNDS[place]:
            place += 1
        one.buckets[place] += 1

    def count(self, event: Event, *labels: str, by: int = 1) -> None:
        """Count one event. Raises ValueError if the labels are not those of its family."""
        self.counter(event, *labels).value += by

    def counter(self, event: Event, *labels: str) -> Count:
        """What ``count`` adds to, for who counts at every request. Raises as that does."""
        count = self._counts.get((event, *labels))
        return count if count is not None else self._first_count(event, labels)

    def keep(self, routes: Collection[str], upstreams: Collection[str]) -> None:
        """Forget requests of routes and upstreams that the table no longer has."""
        self._served = {
            key: one
            for key, one in self._served.items()
            if (not key[0] or key[0] in routes) and (not key[1] or key[1] in upstreams)
        }

    def snapshot(self) -> Snapshot:
        """What was counted so far."""
        served = (_served(*key, one) for key, one in self._served.items())
        tallies = (
            Tally(Event(event), tuple(labels), count.value)
            for (event, *labels), count in self._counts.items()
        )
        return merge([Snapshot(tuple(served), tuple(tallies))])

    def _first_served(self, route: str, upstream: str, status: int) -> _Series:
        if len(self._served) >= MAX_SERIES:
            route, upstream, status = OTHER, OTHER, 0
        return self._served.setdefault((route, upstream, status), _Series())

    def _first_count(self, event: Event, labels: tuple[str, ...]) -> Count:
        names = FAMILIES[event].labels
        if len(labels) != len(names):
            raise ValueError(f"{event} is counted with the labels {names}, not with {labels}")
        if len(self._counts) >= MAX_SERIES:
            labels = (OTHER,) * len(names)
        return self._counts.setdefault((event, *labels), Count())


def _served(route: str, upstream: str, status: int, one: _Series) -> Served:
    return Served(
        route,
        upstream,
        _label(status),
        one.seconds,
        one.bytes_in,
        one.bytes_out,
        tuple(one.buckets),
    )


def _label(status: int) -> str:
    """The code if it is a registered one, else its class: an upstream may invent hundreds."""
    if status in STATUSES:
        return str(status)
    return f"{status // 100}xx" if 100 <= status <= 599 else OTHER
