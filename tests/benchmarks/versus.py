"""Rounds of the same flow on several shops in turn, so that a noisy machine is noisy for all."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from tests.benchmarks import children, cpu
from tests.benchmarks.load import Plan, Seen
from tests.benchmarks.stage import Contestant, Stage

WARM = 1.0  # seconds before each measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How thoroughly to measure."""

    rounds: int = 5
    seconds: float = 5.0
    clients: tuple[int, ...] = (1, 4, 8)
    goods: int = 10_000


QUICK = Effort(rounds=3, seconds=2.5, goods=1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One shop under one load, once. Times in ms, CPU in ms a flow and process."""

    shop: str
    concurrency: int
    flows: int
    failures: Mapping[str, int]
    rate: float  # flows a second, until the last answer
    settled_rate: float  # flows a second, until nothing was left to do
    settle: float  # seconds from the last answer until then
    request_rate: float
    p50: float
    p95: float
    steps: Mapping[str, tuple[float, float]]  # p50 and p95
    cpu: Mapping[str, float]
    load_cpu: float
    idle_cpu: float  # cores that the other shop used meanwhile
    foreign_cpu: float  # cores that were busy with what is none of ours


@dataclass(slots=True, kw_only=True)
class Versus:
    """All rounds of one flow. ``shops`` in the order of the columns; the last is the peer."""

    flow: str
    shops: tuple[str, ...]
    rounds: list[Round] = field(default_factory=list)

    def of(self, shop: str, concurrency: int) -> list[Round]:
        return [r for r in self.rounds if r.shop == shop and r.concurrency == concurrency]

    def median(self, shop: str, concurrency: int, what: Callable[[Round], float]) -> float:
        """The median of a figure over a shop's rounds."""
        return statistics.median(what(r) for r in self.of(shop, concurrency))

    def ratio(self, concurrency: int, what: Callable[[Round], float]) -> float:
        """Ours over the peer's: the median of the ratios of rounds that ran side by side."""
        ours, peer = (self.of(shop, concurrency) for shop in (self.shops[0], self.shops[-1]))
        return statistics.median(what(a) / what(b) for a, b in zip(ours, peer, strict=True))

    @property
    def clients(self) -> list[int]:
        return sorted({r.concurrency for r in self.rounds})


def compare(flow: str, shops: Sequence[Contestant], stage: Stage, effort: Effort) -> Versus:
    """``flow`` at each concurrency, the shops in turn, the first to go alternating."""
    versus = Versus(flow=flow, shops=tuple(shop.name for shop in shops))
    for concurrency in effort.clients:
        for number in range(effort.rounds):
            turn = shops if number % 2 == 0 else tuple(reversed(shops))
            for shop in turn:
                others = [other for other in shops if other is not shop]
                plan = Plan(
                    shop=shop.name,
                    flow=flow,
                    port=shop.port,
                    goods=effort.goods,
                    concurrency=concurrency,
                    seconds=effort.seconds,
                    seed=number * 100 + concurrency,
                )
                versus.rounds.append(measure(plan, shop, others, stage))
                _say(versus.rounds[-1], flow, number)
    return versus


def measure(plan: Plan, shop: Contestant, others: Sequence[Contestant], stage: Stage) -> Round:
    """One round, after a short one that warms up and does not count."""
    drive(plan, seconds=WARM, seed=plan.seed + 7_777)
    shop.settle()
    before, began, observed = cpu.read(), time.perf_counter(), shop.observed
    seen = drive(plan)
    settle = shop.settle()
    after, took = cpu.read(), time.perf_counter() - began
    spent = _spent(shop, others, stage, before, after)
    spent["postgres"] -= shop.observed - observed
    idle = sum(_idle(other, stage, before, after) for other in others)
    total = sum(spent.values()) + idle + seen.cpu
    foreign = max(0.0, after.busy - before.busy - total)
    return _round(plan, seen, settle, spent, idle / took, foreign / took)


def _spent(
    shop: Contestant,
    others: Sequence[Contestant],
    stage: Stage,
    before: cpu.Reading,
    after: cpu.Reading,
) -> dict[str, float]:
    """Seconds by process. PostgreSQL's: without what it did for the others."""
    roots = {**shop.roots, **stage.roots}
    spent = {name: after.tree(pid) - before.tree(pid) for name, pid in roots.items()}
    for other in others:
        postmaster, name = stage.roots["postgres"], other.database
        spent["postgres"] -= after.backends(postmaster, name) - before.backends(postmaster, name)
    return spent


def _idle(shop: Contestant, stage: Stage, before: cpu.Reading, after: cpu.Reading) -> float:
    """Seconds that a shop used while another was measured, PostgreSQL's work for it included."""
    postmaster, name = stage.roots["postgres"], shop.database
    backends = after.backends(postmaster, name) - before.backends(postmaster, name)
    return backends + sum(after.tree(pid) - before.tree(pid) for pid in shop.roots.values())


def drive(plan: Plan, **other: float) -> Seen:
    """Run the plan in a load generator of its own process."""
    text = json.dumps({**asdict(plan), **other})
    command = [sys.executable, "-m", "tests.benchmarks.load"]
    return Seen(**json.loads(children.run(command, {}, stdin=text)))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _round(
    plan: Plan, seen: Seen, settle: float, spent: Mapping[str, float], idle: float, foreign: float
) -> Round:
    count = len(seen.flows)
    if not count:
        raise children.DidNotRun(f"{plan.shop} {plan.flow}: nothing succeeded: {seen.failures}")
    return Round(
        shop=plan.shop,
        concurrency=plan.concurrency,
        flows=count,
        failures=seen.failures,
        rate=count / seen.seconds,
        settled_rate=count / (seen.seconds + settle),
        settle=settle,
        request_rate=seen.requests / seen.seconds,
        p50=quantile(seen.flows, 0.5),
        p95=quantile(seen.flows, 0.95),
        steps={s: (quantile(t, 0.5), quantile(t, 0.95)) for s, t in seen.steps.items()},
        cpu={name: used * 1000 / count for name, used in spent.items()},
        load_cpu=seen.cpu * 1000 / count,
        idle_cpu=idle,
        foreign_cpu=foreign,
    )


def _say(done: Round, flow: str, number: int) -> None:
    failed = sum(done.failures.values())
    sys.stderr.write(
        f"{flow} c={done.concurrency} round {number + 1}: {done.shop} {done.rate:.1f}/s, "
        f"p95 {done.p95:.1f} ms" + (f", {failed} FAILED" if failed else "") + "\n"
    )
