"""Why a module is not placed as asked; nothing has changed then.

ContractError
├── NotFound
│   └── NoSuchModule           this host has no module of that name
├── Invalid
│   ├── PercentOutOfRange      a share is 0 to 100
│   └── ReasonMissing          nobody said why
└── Conflict
    ├── NotExtractable         the module does not say that it may be moved
    ├── NobodyThere            no live instance would do the work
    ├── NobodyTakesEvents      no worker listens on the service's queue
    ├── DataHasMoved           the service has its data too: an extraction's matter
    ├── DoorHasNoService       the front door could not send requests there
    └── PlacementChanged       somebody else was faster (compare and swap)
"""

from __future__ import annotations

from dataclasses import dataclass

from modules.platform.contracts import Conflict, Invalid, NotFound


@dataclass(kw_only=True, eq=False)
class NoSuchModule(NotFound):
    """This host composes no module of that name."""

    code = "placement.no_such_module"
    module: str
    known: tuple[str, ...]

    def sentence(self) -> str:
        return f"There is no module {self.module} here; may be placed: {', '.join(self.known)}."


@dataclass(kw_only=True, eq=False)
class PercentOutOfRange(Invalid):
    """Shares are whole numbers from 0 to 100."""

    code = "placement.percent_out_of_range"
    percent: int

    def sentence(self) -> str:
        return f"A share is a whole number from 0 to 100, not {self.percent}."


@dataclass(kw_only=True, eq=False)
class ReasonMissing(Invalid):
    """Whoever looks later wants to know why."""

    code = "placement.reason_missing"
    shortest: int
    longest: int

    def sentence(self) -> str:
        return f"Say why, in {self.shortest} to {self.longest} characters."


@dataclass(kw_only=True, eq=False)
class NotExtractable(Conflict):
    """Its declaration does not say ``extractable=True``."""

    code = "placement.not_extractable"
    module: str
    known: tuple[str, ...]

    def sentence(self) -> str:
        return f"{self.module} stays in this host; may be placed: {', '.join(self.known)}."


@dataclass(kw_only=True, eq=False)
class NobodyThere(Conflict):
    """The registry lists no live instance that works on this host's data."""

    code = "placement.nobody_there"
    module: str
    others: int  # live ones of the other role

    def sentence(self) -> str:
        also = f" ({self.others} have a database of their own)" if self.others else ""
        return (
            f"No live instance of {self.module} with the role origin is in the registry{also}: "
            f"start one, then place."
        )


@dataclass(kw_only=True, eq=False)
class NobodyTakesEvents(Conflict):
    """Batches of events would lie in the service's queue."""

    code = "placement.nobody_takes_events"
    module: str
    queue: str
    trouble: str = ""  # why the broker could not tell

    def sentence(self) -> str:
        why = f"the broker does not say ({self.trouble})" if self.trouble else "nobody does"
        return (
            f"A worker of {self.module}'s service must take from {self.queue}, and {why}: "
            f"start one, then place."
        )


@dataclass(kw_only=True, eq=False)
class DataHasMoved(Conflict):
    """The front door knows the module as extracted or retired."""

    code = "placement.data_has_moved"
    module: str
    phase: str

    def sentence(self) -> str:
        return f"{self.module} is {self.phase}: its data is the service's, and so is its work."


@dataclass(kw_only=True, eq=False)
class DoorHasNoService(Conflict):
    """Its document names no service for the capability."""

    code = "placement.door_has_no_service"
    module: str
    door: str

    def sentence(self) -> str:
        return (
            f"The front door at {self.door} knows no service of {self.module}: "
            f"write one into its document first."
        )


@dataclass(kw_only=True, eq=False)
class PlacementChanged(Conflict):
    """The revision that was seen is not the one that stands."""

    code = "placement.changed"
    module: str
    expected: int
    actual: int

    def sentence(self) -> str:
        return (
            f"{self.module} stands at revision {self.actual}, not {self.expected}: "
            f"somebody else has placed it; look again."
        )
