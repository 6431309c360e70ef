"""A thread that asks again and again, from the first question on, also after a fork."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from random import SystemRandom

import structlog

from modules.platform.discovery.forking import renew_after_fork
from modules.platform.discovery.metrics import AGE

log = structlog.get_logger(__name__)

JITTER = 0.1  # of the interval, either way: processes must not ask in step

Clock = Callable[[], float]  # seconds; only differences count
Random = Callable[[], float]  # uniform in [0, 1)
# Of the system: a thread in the background does not disturb who has seeded the process's own.
CHANCE: Random = SystemRandom().random


class Polling:
    """Calls ``ask`` every ``interval`` seconds in a daemon thread; failures are told once.

    Nothing runs before ``ensure()``, so that a process that never asks has no thread.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], None],
        *,
        interval: float,
        clock: Clock = time.monotonic,
        chance: Random = CHANCE,
    ) -> None:
        self.name = name
        self._ask = ask
        self._interval = interval
        self._clock = clock
        self._chance = chance
        self._since = clock()
        self._succeeded_at: float | None = None
        self._is_failing = False
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._turned = threading.Event()
        self._thread: threading.Thread | None = None

    def ensure(self) -> None:
        """Let the thread run, if it does not yet."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                name = f"discovery-{self.name}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether the source was asked, well or not, within ``seconds``."""
        self.ensure()
        return self._turned.wait(seconds)

    def close(self) -> None:
        """Stop asking; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def age(self) -> float | None:
        """Seconds since the last success; None before the first."""
        return None if self._succeeded_at is None else self._clock() - self._succeeded_at

    def turn(self) -> None:
        """Ask once, and remember how it went."""
        try:
            self._ask()
        except Exception as error:  # whatever it is, the thread must go on asking
            if not self._is_failing:
                log.warning("discovery.away", source=self.name, error=str(error) or repr(error))
            self._is_failing = True
        else:
            if self._is_failing:
                log.info("discovery.back", source=self.name)
            self._is_failing = False
            self._succeeded_at = self._clock()
        reached = self._since if self._succeeded_at is None else self._succeeded_at
        AGE.labels(self.name).set(self._clock() - reached)

    def _run(self) -> None:
        stop, turned = self._stop, self._turned
        while not stop.is_set():
            self.turn()
            turned.set()
            stop.wait(self._interval * (1 + JITTER * (2 * self._chance() - 1)))
