"""The load generator, a process of its own: a plan as JSON on stdin, what it saw on stdout.

Each shopper is a thread with a connection of its own: on two to eight connections that costs less
than an event loop. Its own CPU is in the report, for nobody should have to guess.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field

from tests.benchmarks.client import Connection
from tests.benchmarks.flows import SHOPS, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``flow`` is ``order`` or ``browse``; ``seconds`` of it, after ``warm`` s that do not count.

    ``limit`` flows at most, if not 0.
    """

    shop: str
    flow: str
    port: int
    goods: int
    concurrency: int
    seconds: float
    warm: float = 0.0
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the shoppers saw. Times in milliseconds; ``cpu`` is the generator's own, in seconds."""

    seconds: float = 0.0
    cpu: float = 0.0
    flows: list[float] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return sum(len(times) for times in self.steps.values())


class Shopper(threading.Thread):
    """Repeats the plan's flow until its end; keeps what it saw to itself until then."""

    def __init__(self, plan: Plan, number: int, until: float) -> None:
        super().__init__(daemon=True)
        self._shop = SHOPS[plan.shop](plan.goods)
        self._flow = getattr(self._shop, plan.flow)
        self._connection = Connection(plan.port)
        self._choice = random.Random(plan.seed * 1000 + number)
        self._until = until
        self.flows: list[float] = []
        self.steps: defaultdict[str, list[float]] = defaultdict(list)
        self.failures: Counter[str] = Counter()

    def run(self) -> None:
        while (started := time.perf_counter()) < self._until:
            try:
                self._flow(self._send, self._choice)
            except (Refused, OSError) as error:
                self.failures[f"{type(error).__name__} {error}"] += 1
            else:
                self.flows.append((time.perf_counter() - started) * 1000)
        self._connection.close()

    def _send(
        self, step: str, method: str, path: str, body: bytes, headers: str
    ) -> tuple[int, bytes]:
        started = time.perf_counter()
        answer = self._connection.request(method, path, body, headers)
        self.steps[step].append((time.perf_counter() - started) * 1000)
        return answer


def drive(plan: Plan) -> Seen:
    """Run the plan; the shoppers that have begun a flow at the end finish it."""
    if plan.warm:
        _together(plan, plan.warm, offset=500)
    return _together(plan, plan.seconds, offset=0)


def _together(plan: Plan, seconds: float, offset: int) -> Seen:
    began, cpu = time.perf_counter(), time.process_time()
    crowd = [Shopper(plan, offset + n, began + seconds) for n in range(plan.concurrency)]
    for shopper in crowd:
        shopper.start()
    for shopper in crowd:
        shopper.join()
    seen = Seen(seconds=time.perf_counter() - began, cpu=time.process_time() - cpu)
    failures: Counter[str] = Counter()
    for shopper in crowd:
        seen.flows += shopper.flows
        for step, times in shopper.steps.items():
            seen.steps.setdefault(step, []).extend(times)
        failures += shopper.failures
    seen.failures = dict(failures)
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(drive(Plan(**json.loads(sys.stdin.read()))))))
