"""A profiler by samples of CPU time: it does not slow what it watches, so shares are true.

    python -m tests.benchmarks.sampling OUT program.py arguments ...
    python -m tests.benchmarks.sampling OUT -m module arguments ...

runs a program with its main thread sampled.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

EVERY = 0.001  # seconds of CPU; the kernel's own tick (1 to 4 ms) may be longer
DEEPEST = 120  # frames kept of a stack
# Signals to a sampled program; not SIGUSR1 and 2, which Celery takes.
RESTART, WRITE = signal.SIGRTMIN + 1, signal.SIGRTMIN + 2

Place = tuple[str, int, str]  # file, first line, function


@dataclass(slots=True)
class Samples:
    """Stacks, innermost first, with how often each was met; ``cpu`` in seconds."""

    stacks: Counter[tuple[Place, ...]] = field(default_factory=Counter)
    cpu: float = 0.0

    def take(self, _: int, frame: FrameType | None) -> None:
        """The signal handler."""
        places: list[Place] = []
        while frame is not None and len(places) < DEEPEST:
            places.append(_place(frame.f_code))
            frame = frame.f_back
        self.stacks[tuple(places)] += 1

    def dump(self) -> str:
        return json.dumps({"cpu": self.cpu, "stacks": [[n, s] for s, n in self.stacks.items()]})

    @classmethod
    def load(cls, text: str) -> Samples:
        data = json.loads(text)
        stacks = {tuple(tuple(place) for place in stack): n for n, stack in data["stacks"]}
        return cls(Counter(stacks), data["cpu"])


@contextmanager
def sampled() -> Iterator[Samples]:
    """Sample this process's main thread for a while."""
    samples = Samples()
    before = _cpu()
    signal.signal(signal.SIGPROF, samples.take)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        yield samples
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        samples.cpu = _cpu() - before


def _place(code: CodeType) -> Place:
    return code.co_filename, code.co_firstlineno, code.co_qualname


def _cpu() -> float:
    times = os.times()
    return times.user + times.system


def main(out: str, arguments: list[str]) -> None:
    """Run the program under the sampler; ``RESTART`` begins anew, ``WRITE`` writes."""
    samples, start = Samples(), [_cpu()]

    def restart(*_: object) -> None:
        samples.stacks.clear()
        start[0] = _cpu()

    def write(*_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        samples.cpu = _cpu() - start[0]
        Path(out).write_text(samples.dump())

    signal.signal(RESTART, restart)
    signal.signal(WRITE, write)
    signal.signal(signal.SIGPROF, samples.take)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
