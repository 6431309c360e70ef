"""Rounds of the same load on every contestant in turn, so that a noisy machine is noisy for all."""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from strangler_proxy import compiling
from tests.benchmarks import children, cpu
from tests.benchmarks.children import DidNotRun
from tests.benchmarks.proxy import contestants, wrk
from tests.benchmarks.proxy.arena import Arena, arena
from tests.benchmarks.proxy.contestants import Contestant, Running, Shape
from tests.benchmarks.proxy.verify import verify
from tests.benchmarks.proxy.wrk import Kind, Load

WARM = 1.0  # seconds before each measurement
LONG = 20.0  # seconds for one that has answered nobody: it took in hundreds of requests first
WINDOW = 1.0  # seconds, wrk's shortest
MIDDLE = 32  # connections, where bodies and the hung mirror are measured
# With a hung mirror and without. Single p99s of one proxy differ by half on a shared machine: what
# a mirror adds shows in many pairs, each so short that what disturbs one half disturbs the other.
MIRRORING = Load(wrk.SMALL_ANSWER, MIDDLE, in_turn=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How thoroughly to measure."""

    rounds: int = 5
    seconds: float = 5.0
    pairs: int = 100  # of windows under MIRRORING
    clients: tuple[int, ...] = (1, MIDDLE, 256)
    kinds: tuple[Kind, ...] = wrk.KINDS
    only: tuple[str, ...] = ()  # contestants whose name contains one of these; none means all

    def of(self, load: Load) -> tuple[int, float]:
        """How often each contestant has its turn, and for how many seconds."""
        return (self.pairs, WINDOW) if load.in_turn else (self.rounds, self.seconds)


QUICK = Effort(rounds=3, seconds=3.0, pairs=40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One contestant under one load, once. Times in microseconds, memory in MiB."""

    contestant: str
    load: str
    number: int
    rate: float  # requests a second
    cpu: float  # of the proxy's processes for one request
    p50: float
    p99: float
    memory: float  # the most that was resident
    proxy_core: float  # share of its core that the proxy used
    load_core: float  # share of the other cores that load and upstream used
    foreign: float  # cores that were busy with what is none of ours
    stolen: float  # cores that the machine below gave to somebody else when they were wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """A peer that failed a request under this load."""

    contestant: str
    load: str
    why: str


@dataclass(slots=True, kw_only=True)
class Standing:
    """All rounds. ``idle`` is what was resident before the first request, in MiB. Of a peer that is
    ``out`` no round under that load counts.
    """

    contestants: tuple[str, ...] = ()
    rounds: list[Round] = field(default_factory=list)
    idle: dict[str, float] = field(default_factory=dict)
    out: list[Out] = field(default_factory=list)

    def of(self, contestant: str, load: str) -> list[Round]:
        return [r for r in self.rounds if (r.contestant, r.load) == (contestant, load)]

    def median(self, contestant: str, load: str, what: Callable[[Round], float]) -> float | None:
        """The median of a figure over a contestant's rounds; None if there are none."""
        seen = self.of(contestant, load)
        return statistics.median(map(what, seen)) if seen else None

    def compared(
        self, one: str, other: str, load: str, how: Callable[[Round, Round], float]
    ) -> float | None:
        """The median over pairs of neighbouring rounds; None if either did not take part."""
        pairs = list(zip(self.of(one, load), self.of(other, load), strict=False))
        return statistics.median(how(a, b) for a, b in pairs) if pairs else None

    def leave_out(self, out: Out) -> None:
        """Also what it has managed under that load before."""
        self.out.append(out)
        gone = self.of(out.contestant, out.load)
        self.rounds = [one for one in self.rounds if one not in gone]

    def is_out(self, contestant: str, load: str) -> bool:
        return any((one.contestant, one.load) == (contestant, load) for one in self.out)

    @property
    def loads(self) -> list[str]:
        return list(dict.fromkeys(r.load for r in self.rounds))


def measure(effort: Effort, standing: Standing) -> None:
    """Fills ``standing`` round by round. A peer that fails a single request is out of that load.
    Raises DidNotRun when something is missing or answers wrongly, and when one of ours fails a
    single request; what was measured before stands.
    """
    chosen = [
        c for c in contestants.ALL if not effort.only or any(o in c.name for o in effort.only)
    ]
    standing.contestants = tuple(c.name for c in chosen)
    if any(c.proxy == contestants.OURS for c in chosen):
        _build()
    with arena() as here, _running(chosen, here) as all_running:
        for running in all_running:
            verify(running, here)
            standing.idle[running.name] = resident(running)
        for load in loads(effort):
            turn = [r for r in all_running if takes_part(r.contestant, load)]
            rounds, seconds = effort.of(load)
            for number in range(rounds):
                for running in turn if number % 2 == 0 else reversed(turn):
                    if not standing.is_out(running.name, str(load)):
                        _round(standing, running, load, number, seconds, here)


def _round(
    standing: Standing, running: Running, load: Load, number: int, seconds: float, arena: Arena
) -> None:
    try:
        standing.rounds.append(once(running, load, number, seconds, arena))
    except DidNotRun as error:
        if running.contestant in contestants.OURS_ALL:
            raise
        standing.leave_out(Out(contestant=running.name, load=str(load), why=str(error)))
        sys.stderr.write(f"{error}\n")
    else:
        _say(standing.rounds[-1])


def _build() -> None:
    """Compiles the front door, if there is no build of these sources."""
    with redirect_stdout(sys.stderr):
        if compiling.main([]) != 0:  # it has said what is missing
            raise DidNotRun("the front door is not compiled")


def loads(effort: Effort) -> list[Load]:
    """Small answers at each concurrency, the large bodies at the middle one."""
    middle = MIDDLE if MIDDLE in effort.clients else effort.clients[-1]
    small = [Load(wrk.SMALL_ANSWER, clients) for clients in effort.clients]
    small += [MIRRORING] if MIDDLE in effort.clients else []
    others = [Load(kind, middle) for kind in effort.kinds if kind is not wrk.SMALL_ANSWER]
    return (small if wrk.SMALL_ANSWER in effort.kinds else []) + others


def takes_part(contestant: Contestant, load: Load) -> bool:
    """The hung mirror has a load of its own, beside who differs from it in nothing else."""
    if load.in_turn:
        return contestant.proxy == contestants.OURS and contestant.shape is not Shape.BARE
    return contestant.shape is not Shape.HUNG


def once(running: Running, load: Load, number: int, seconds: float, arena: Arena) -> Round:
    """One round, after a short one that warms up and does not count. Of windows the first alone."""
    people = _people(running.contestant, arena)
    most = 0.0

    def watch() -> None:
        nonlocal most
        most = max(most, resident(running))

    def drive(seconds: float) -> wrk.Heard | None:
        try:
            return wrk.drive(
                load,
                running.port,
                seconds,
                people=people,
                cores=arena.cores.load,
                program=arena.values["wrk"],
                watch=watch,
            )
        except DidNotRun as error:
            raise DidNotRun(f"{running.name}: {error}") from None

    if number == 0 or not load.in_turn:
        drive(WARM)  # in which a slow one may have no answer yet
    proxy, upstream = running.child.process.pid, arena.upstream.process.pid
    for within in (seconds, max(seconds, LONG)):
        before, ours, began = cpu.read(), _own(), time.perf_counter()
        heard = drive(within)
        after, generator, took = cpu.read(), _own() - ours, time.perf_counter() - began
        running.child.require_alive()
        if heard is not None:
            break
    else:
        raise DidNotRun(f"{running.name}: no answer to {load} within {within:g} s")
    if running.log:  # every round begins with an empty one, or a run fills the disk
        os.truncate(running.log, 0)
    used = after.tree(proxy) - before.tree(proxy)
    beside = generator + after.tree(upstream) - before.tree(upstream)
    return Round(
        contestant=running.name,
        load=str(load),
        number=number,
        rate=heard.requests / heard.seconds,
        cpu=used * 1e6 / heard.requests,
        p50=heard.p50,
        p99=heard.p99,
        memory=most,
        proxy_core=used / took,
        load_core=beside / took / len(arena.cores.load),
        foreign=max(0.0, after.busy - before.busy - used - beside) / took,
        stolen=(after.stolen - before.stolen) / took,
    )


def resident(running: Running) -> float:
    """MiB of the process and all below it; pages that they share count for each."""
    pages = 0
    for pid in _tree(running.child.process.pid):
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:  # it has ended meanwhile
            continue
    return pages * resource.getpagesize() / 2**20


def _tree(root: int) -> Iterator[int]:
    yield root
    for task in Path(f"/proc/{root}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from _tree(int(child))


def _own() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


@contextmanager
def _running(chosen: Sequence[Contestant], here: Arena) -> Iterator[list[Running]]:
    with ExitStack() as stack:
        started = []
        for contestant in chosen:
            sys.stderr.write(f"starting {contestant.name}\n")
            started.append(contestants.start(contestant, here))
            stack.callback(children.stop, [started[-1].child])
        yield started


def _people(contestant: Contestant, arena: Arena) -> Path | None:
    """The file that wrk reads its headers from."""
    if contestant.shape is Shape.BARE:
        return None
    path = arena.home / f"people-{contestant.algorithm or 'names'}.txt"
    if not path.exists():
        sent = (contestants.headers(contestant, arena, n) for n in range(len(arena.people)))
        lines = (f"{one.get('Authorization', '')}\t{one['X-User']}\n" for one in sent)
        path.write_text("".join(lines))
    return path


def _say(done: Round) -> None:
    sys.stderr.write(
        f"{done.load} round {done.number + 1}: {done.contestant} {done.rate:,.0f}/s, "
        f"{done.cpu:.1f} us CPU, p99 {done.p99 / 1000:.2f} ms\n"
    )
