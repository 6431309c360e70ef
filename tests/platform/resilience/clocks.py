"""Time that a test moves by hand."""

from __future__ import annotations


class Clock:
    """A clock and a sleep that agree; ``slept`` are the waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
