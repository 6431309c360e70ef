"""What was counted of a module, by side and kind of work; and the difference of two readings. Pure.

Counters only grow, until their process begins anew: then what stands there is what came since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

REQUESTS, CALLS = "requests", "calls"
CANARY, MONOLITH = "canary", "monolith"
Counters = Mapping[str, float]
KINDS: Final = (REQUESTS, CALLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side's work of one kind. ``failed`` counts what the asker was not served with, or would
    not have been had the other side not stood in. ``counts`` are those of the buckets whose upper
    ``bounds`` are in seconds, and one more that has none.
    """

    done: int = 0
    failed: int = 0
    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both sides over the same minutes."""

    kind: str
    canary: Side = field(default_factory=Side)
    monolith: Side = field(default_factory=Side)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """All counters at one moment: by source (a front door, a host), by name and labels."""

    sources: Mapping[str, Counters] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()  # sources that could not be read, each in one line


def key(kind: str, side: str, what: str, bucket: str = "") -> str:
    """The name of a counter: ``requests canary done``, ``calls monolith took 0.05``."""
    return " ".join(filter(None, (kind, side, what, bucket)))


def added(before: Counted, now: Counted) -> Counters:
    """What was added between the two, over all sources that both have."""
    grown: dict[str, float] = {}
    for source, counters in now.sources.items():
        old = before.sources.get(source)
        if old is None:
            continue  # seen for the first time: nobody knows when it began
        has_begun_anew = any(counters.get(name, 0) < value for name, value in old.items())
        for name, value in counters.items():
            more = value if has_begun_anew else value - old.get(name, 0)
            grown[name] = grown.get(name, 0) + more
    return grown


def pairs(grown: Counters) -> tuple[Pair, ...]:
    """Both sides of each kind of work."""
    return tuple(
        Pair(kind=kind, canary=_side(grown, kind, CANARY), monolith=_side(grown, kind, MONOLITH))
        for kind in KINDS
    )


def _side(grown: Counters, kind: str, side: str) -> Side:
    prefix = key(kind, side, "took") + " "
    took = {name[len(prefix) :]: n for name, n in grown.items() if name.startswith(prefix)}
    bounds = sorted(float(name) for name in took)
    upto = [int(took[_text(took, bound)]) for bound in bounds]
    return Side(
        done=int(grown.get(key(kind, side, "done"), 0)),
        failed=int(grown.get(key(kind, side, "failed"), 0)),
        bounds=tuple(bounds[:-1]),
        counts=tuple(n - m for n, m in zip(upto, [0, *upto], strict=False)),
    )


def _text(names: Iterable[str], bound: float) -> str:
    return next(name for name in names if float(name) == bound)
