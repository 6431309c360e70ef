"""What the front door has promised, each promise beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.proxy.contestants import CEILING, OURS, PAIRS, Shape
from tests.benchmarks.proxy.rounds import MIDDLE, MIRRORING, Round, Standing

BARE, FULL, HUNG = (f"{OURS} {shape}" for shape in Shape)
NGINX, ENVOY = f"nginx {Shape.BARE}", f"envoy {Shape.FULL}"
SPLICE = CEILING.name
PAIRINGS = tuple(contestant.name for contestant in PAIRS)
BUSY, ALONE = f"small c={MIDDLE}", "small c=1"
# CPU of a request by bare nginx, in microseconds, on the machine on which the goals were set.
NGINX_THERE = 12.2


@dataclass(frozen=True, slots=True)
class Goal:
    """``measured`` is None when who is needed for it did not take part.

    ``there``: what it comes to at the speed of the machine on which the goals were set, by bare
    nginx in the same rounds; of what is no ratio by itself. It has a verdict of its own, beside the
    one of what was measured here (docs/adr/0020-goals-at-the-speed-of-nginx.md).
    """

    text: str
    unit: str
    measured: float | None
    bound: float
    at_least: bool
    there: float | None = None

    @property
    def met(self) -> bool | None:
        return self._judged(self.measured)

    @property
    def met_there(self) -> bool | None:
        return self._judged(self.there)

    def _judged(self, value: float | None) -> bool | None:
        if value is None:
            return None
        return value >= self.bound if self.at_least else value <= self.bound


def goals(standing: Standing) -> list[Goal]:
    """In the order of the design."""

    def ours(load: str, what: Callable[[Round], float]) -> float | None:
        return standing.median(FULL, load, what)

    def times(other: str) -> float | None:
        return standing.compared(FULL, other, BUSY, _rates)

    def there(what: Callable[[Round, float], float]) -> float | None:
        """At the speed of that machine: ``what`` of a round, and how many times slower this is."""
        return standing.compared(
            FULL, NGINX, BUSY, lambda mine, nginx: what(mine, nginx.cpu / NGINX_THERE)
        )

    slower = there(lambda mine, slower: slower)
    hung = standing.compared(HUNG, FULL, str(MIRRORING), lambda a, b: a.p99 / b.p99)
    added = standing.compared(FULL, NGINX, ALONE, lambda a, b: a.p50 - b.p50)
    p99 = ours(BUSY, lambda r: r.p99)
    best = best_pair(standing, BUSY)
    return [
        _least(
            "req/s, every feature on, c=32",
            "",
            ours(BUSY, lambda r: r.rate),
            45_000,
            there(lambda mine, slower: mine.rate * slower),
        ),
        _most(
            "CPU of a request, every feature on",
            "us",
            ours(BUSY, lambda r: r.cpu),
            21,
            there(lambda mine, slower: mine.cpu / slower),
        ),
        _least("req/s, every feature on, beside bare nginx", "x", times(NGINX), 0.6),
        _least("req/s beside Envoy doing the same", "x", times(ENVOY), 1.4),
        _least("req/s beside the best bare Python pair", "x", times(best) if best else None, 2.0),
        _most(
            "p99, every feature on, c=32",
            "ms",
            p99 / 1000 if p99 else None,
            1.5,
            there(lambda mine, slower: mine.p99 / 1000 / slower),
        ),
        _most(
            "p50 over bare nginx's, c=1",
            "us",
            added,
            15,
            added / slower if added is not None and slower is not None else None,
        ),
        _most("p99 with a hung mirror beside none", "x", hung, 1.05),
    ]


def as_json(standing: Standing, reached: Sequence[Goal]) -> dict[str, Any]:
    """Every round, and every goal with its verdicts."""
    told = [{**asdict(goal), "met": goal.met, "met_there": goal.met_there} for goal in reached]
    return {**asdict(standing), "goals": told}


def best_pair(standing: Standing, load: str) -> str | None:
    """The Python pair with the highest rate."""
    rates = {name: standing.median(name, load, lambda r: r.rate) for name in PAIRINGS}
    known = {name: rate for name, rate in rates.items() if rate is not None}
    return max(known, key=lambda name: known[name]) if known else None


def _rates(one: Round, other: Round) -> float:
    return one.rate / other.rate


def _least(
    text: str, unit: str, measured: float | None, bound: float, there: float | None = None
) -> Goal:
    return Goal(text, unit, measured, bound, at_least=True, there=there)


def _most(
    text: str, unit: str, measured: float | None, bound: float, there: float | None = None
) -> Goal:
    return Goal(text, unit, measured, bound, at_least=False, there=there)
