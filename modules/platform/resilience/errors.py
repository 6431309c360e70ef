"""Refusals: the call was not made, so nothing happened on the other side.

ResilienceError
├── CircuitOpen       too many calls failed lately
├── BulkheadFull      too many calls are under way and waiting
├── DeadlinePassed    the caller's time is up
└── SwitchedOff       a person has turned this call off
"""

from __future__ import annotations


class ResilienceError(Exception):
    """Root of the refusals."""


class CircuitOpen(ResilienceError):
    """The other side fails; it is asked again in ``retry_after`` seconds."""

    def __init__(self, name: str, retry_after: float) -> None:
        super().__init__(f"{name} fails too often; it is tried again in {retry_after:.1f} s")
        self.name = name
        self.retry_after = retry_after


class BulkheadFull(ResilienceError):
    """All places are taken, and those to wait in too, or the wait took too long."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(f"{name} has {limit} calls under way and no room for another")
        self.name = name


class DeadlinePassed(ResilienceError):
    """There is no time left to do it in."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no time is left for {name}")
        self.name = name


class SwitchedOff(ResilienceError):
    """Somebody has turned it off; ``reason`` is theirs."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is switched off: {reason}")
        self.name = name
        self.reason = reason
