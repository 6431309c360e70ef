"""A point in time by which an answer must be there, on a clock that does not jump."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from modules.platform.resilience.errors import DeadlinePassed

Clock = Callable[[], float]  # seconds; only differences count


@dataclass(frozen=True, slots=True)
class Deadline:
    """``at`` is a reading of ``clock``. Make one with ``Deadline.within(seconds)``."""

    at: float
    clock: Clock = time.monotonic

    @classmethod
    def within(cls, seconds: float, clock: Clock = time.monotonic) -> Deadline:
        """``seconds`` from now."""
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        """Seconds left; never below 0."""
        return max(0.0, self.at - self.clock())

    def passed(self) -> bool:
        return self.clock() >= self.at

    def cap(self, seconds: float) -> float:
        """``seconds``, or what is left if that is less: the timeout for one attempt."""
        return min(seconds, self.remaining())

    def check(self, name: str) -> None:
        """Raises DeadlinePassed naming what there is no time for."""
        if self.passed():
            raise DeadlinePassed(name)
