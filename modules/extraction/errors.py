"""Why nothing was done; the state is as it was before.

ContractError
├── NotFound
│   └── NoSuchModule           this host composes no module of that name
├── Invalid
│   └── ReasonMissing          nobody said why
├── Conflict
│   ├── NotExtractable         the module does not say that it may be moved
│   ├── WrongPhase             no way leads from where it stands to where it shall be
│   ├── ControllerBusy         somebody else is at it; who, where and since when
│   ├── Paused                 somebody said that it shall stand still
│   └── TargetTaken            the service's database has something in it already
└── Unavailable
    ├── OutOfTime              --timeout is over; what was reached stays
    └── Unsettled              its step stays open: whoever watches, or ``doctor``, settles it
        ├── Undecided          a side was lost at the commit point: it is committed, or it is not
        └── NotFinished        it is committed, and could not even be written down
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from modules.platform.contracts import Conflict, Invalid, NotFound, Unavailable


@dataclass(kw_only=True, eq=False)
class NoSuchModule(NotFound):
    """This host composes no module of that name."""

    code = "extraction.no_such_module"
    module: str
    known: tuple[str, ...]

    def sentence(self) -> str:
        return f"There is no module {self.module} here; may be moved: {', '.join(self.known)}."


@dataclass(kw_only=True, eq=False)
class ReasonMissing(Invalid):
    """Whoever looks later wants to know why."""

    code = "extraction.reason_missing"
    shortest: int
    longest: int

    def sentence(self) -> str:
        return f"Say why with --reason, in {self.shortest} to {self.longest} characters."


@dataclass(kw_only=True, eq=False)
class NotExtractable(Conflict):
    """Its declaration does not say ``extractable=True``."""

    code = "extraction.not_extractable"
    module: str
    known: tuple[str, ...]

    def sentence(self) -> str:
        return f"{self.module} stays in this host; may be moved: {', '.join(self.known)}."


@dataclass(kw_only=True, eq=False)
class WrongPhase(Conflict):
    """The table of phases has no such way."""

    code = "extraction.wrong_phase"
    module: str
    phase: str
    verb: str
    possible: tuple[str, ...]

    def sentence(self) -> str:
        can = ", ".join(self.possible) or "nothing"
        return f"{self.module} is in phase {self.phase}: no {self.verb}; possible now: {can}."


@dataclass(kw_only=True, eq=False)
class ControllerBusy(Conflict):
    """One controller at a time: two would undo each other's steps."""

    code = "extraction.controller_busy"
    module: str
    verb: str
    actor: str
    machine: str
    process: int
    since: datetime | None

    def sentence(self) -> str:
        when = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return (
            f"{self.actor} is at {self.module} with `{self.verb}`{when} "
            f"(process {self.process} on {self.machine}); wait, or stop that one."
        )


@dataclass(kw_only=True, eq=False)
class Paused(Conflict):
    """Work on the data was told to stand still."""

    code = "extraction.paused"
    module: str
    actor: str
    reason: str

    def sentence(self) -> str:
        return f"{self.module} is paused by {self.actor} ({self.reason}); `resume` it first."


@dataclass(kw_only=True, eq=False)
class TargetTaken(Conflict):
    """What is there is somebody's; it is not written over."""

    code = "extraction.target_taken"
    place: str
    found: str

    def sentence(self) -> str:
        return f"{self.place} has {self.found} already: give an empty database, or remove it."


@dataclass(kw_only=True, eq=False)
class OutOfTime(Unavailable):
    """The time that was given is over."""

    code = "extraction.out_of_time"
    module: str
    verb: str
    seconds: float
    reached: str

    def sentence(self) -> str:
        return (
            f"{self.verb} {self.module} is not done after {self.seconds:g} s ({self.reached}); "
            f"say it again, and it goes on there."
        )


@dataclass(kw_only=True, eq=False)
class Unsettled(Unavailable):
    """A swap whose end its own controller cannot see."""

    code = "extraction.unsettled"
    module: str
    verb: str
    why: str


@dataclass(kw_only=True, eq=False)
class Undecided(Unsettled):
    """The answer to the commit point was lost, and the monolith's database cannot be asked."""

    code = "extraction.undecided"

    def sentence(self) -> str:
        return (
            f"It is not known whether {self.verb} {self.module} is committed ({self.why}): when "
            f"the monolith's database is back, watch settles it, or doctor {self.module}."
        )


@dataclass(kw_only=True, eq=False)
class NotFinished(Unsettled):
    """The commit point is passed, and nobody could be told."""

    code = "extraction.not_finished"
    exit_code = 3  # it is done, and something does not know of it

    def sentence(self) -> str:
        return (
            f"{self.verb} {self.module} is done, and not finished ({self.why}): watch rolls it "
            f"forward, or doctor {self.module}."
        )
