"""What a drill does to a swap: a table of who is killed, stopped or cut off, and where. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from modules.extraction.protocol.crashpoints import POINTS

KILLED_WITHIN = 150.0  # ms until a write is accepted again, after a controller is killed
STOPPED_WITHIN = 1100.0  # ms, after it is stopped: the fence's time to live and 100 ms


class How(StrEnum):
    """What happens there."""

    KILLED = "killed"  # SIGKILL
    STOPPED = "stopped"  # SIGSTOP until the module has been healed, then it goes on
    CUT_OFF = "cut off"  # all sessions in the service's database are ended


class Who(StrEnum):
    """To whom."""

    CONTROLLER = "controller"
    APPLIER = "applier"
    HEALER = "healer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One of them. ``verb`` is the swap under way."""

    verb: str
    point: str
    how: How
    who: Who = Who.CONTROLLER

    @property
    def name(self) -> str:
        return f"{self.verb}: {self.who} {self.how} at {self.point}"

    @property
    def bound_ms(self) -> float:
        """How long writes may wait after it."""
        is_quick = self.how is How.KILLED and self.who is not Who.APPLIER
        return KILLED_WITHIN if is_quick else STOPPED_WITHIN


def _of(verb: str) -> tuple[Fault, ...]:
    at = [point for point in POINTS if point.startswith((f"{verb}.", "apply."))]
    after = [point for point in at if point in (f"{verb}.fenced", f"{verb}.drained")]
    return (
        *(Fault(verb=verb, point=one, how=How.KILLED) for one in at),
        *(Fault(verb=verb, point=one, how=How.STOPPED) for one in at),
        *(Fault(verb=verb, point=one, how=How.CUT_OFF) for one in (*after, f"{verb}.committed")),
        Fault(verb=verb, point="apply.applied", how=How.KILLED, who=Who.APPLIER),
        Fault(verb=verb, point="apply.applied", how=How.STOPPED, who=Who.APPLIER),
    )


def _alternating() -> tuple[Fault, ...]:
    """There and back in turn: then no swap is made only to get where the next fault is."""
    there, back = _of("cutover"), _of("rollback")
    healer = Fault(verb="rollback", point="heal.burnt", how=How.KILLED, who=Who.HEALER)
    return (*(one for pair in zip(there, back, strict=True) for one in pair), healer)


FAULTS: Final = _alternating()
