"""What goes wrong, and how often: set at ``/faults``, or implied by a payment method."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

OPERATIONS = ("authorize", "capture", "void", "refund", "fetch", "list", "any")


class Kind(StrEnum):
    """The ways to fail."""

    HOLD = "hold"  # done, then the answer is held back until the client has given up
    RESET = "reset"  # done, then the connection is reset instead of an answer
    DROP = "drop"  # not done, the connection is reset
    SLOW = "slow"  # done and answered, ``seconds`` later
    ERROR = "error"  # not done, 500
    ERROR_AFTER = "error_after"  # done, 500
    UNAVAILABLE = "unavailable"  # not done, 503
    REFUSE = "refuse"  # not done, 402 with ``code``


@dataclass(slots=True, kw_only=True)
class Fault:
    """One planned failure of the next ``times`` calls of ``operation``."""

    operation: str
    kind: Kind
    times: int = 1
    seconds: float = 0.0
    code: str = "card_declined"


def fault(wanted: dict[str, Any]) -> Fault:
    """A Fault from JSON. Raises ``ValueError`` or ``TypeError`` for what is none."""
    planned = Fault(**wanted)
    planned.kind = Kind(planned.kind)
    if planned.operation not in OPERATIONS:
        raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}")
    return planned


class Faults:
    """The plan. ``card_slow`` and ``card_timeout`` are faults that a method brings along."""

    def __init__(self, *, slow_seconds: float, lost_answer: str, hold_seconds: float) -> None:
        self.slow_seconds = slow_seconds
        self.lost_answer = Kind(lost_answer)
        self.hold_seconds = hold_seconds
        self._planned: list[Fault] = []

    def plan(self, planned: Fault) -> None:
        self._planned.append(planned)

    def clear(self) -> None:
        self._planned.clear()

    def listed(self) -> list[dict[str, Any]]:
        return [asdict(planned) for planned in self._planned]

    def take(self, operation: str, method: str) -> Fault | None:
        """The fault that strikes this call, counted down."""
        for planned in self._planned:
            if planned.operation in (operation, "any"):
                planned.times -= 1
                if planned.times <= 0:
                    self._planned.remove(planned)
                return planned
        if operation == "authorize" and method == "card_slow":
            return Fault(operation=operation, kind=Kind.SLOW, seconds=self.slow_seconds)
        if operation == "authorize" and method == "card_timeout":
            return Fault(operation=operation, kind=self.lost_answer)
        return None
