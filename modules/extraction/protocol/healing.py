"""Where a move stands, derived from its two databases, and the way out of what is half done.

Anyone may heal, at any moment and several at once: every step is a compare-and-swap that does
nothing when it comes late.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from modules.extraction.protocol.controlling import call, is_held
from modules.extraction.protocol.crashpoints import crash_point
from modules.extraction.protocol.errors import NotInstalled
from modules.extraction.protocol.granting import grant, tell
from modules.extraction.protocol.owning import Ownership, read_ownership
from modules.extraction.protocol.sides import MONOLITH, SERVICE, Connection, Move, connect


class State(StrEnum):
    """All that two databases can say together."""

    NOT_INSTALLED = "not installed"
    HALF_INSTALLED = "half installed"  # install() begins anew, uninstall() takes the rest away
    MONOLITH = "monolith"
    CUTTING_OVER = "cutting over"  # fenced, by a controller that lives
    FENCE_LEFT = "fence left behind"  # lapsed, or its controller is gone; writers already pass
    NOT_GRANTED = "committed, not granted"
    SERVICE = "service"
    ROLLING_BACK = "rolling back"  # the service is fenced, by a controller that lives
    SERVICE_FENCE_LEFT = "service's fence left behind"
    NOT_CLOSED = "rolled back, the service not told"


@dataclass(frozen=True, slots=True)
class Healed:
    """What was found, what was done about it in words, and what is the case now."""

    found: State
    did: tuple[str, ...]
    now: State


@dataclass(frozen=True, slots=True)
class Seen:
    """Both sides' rows, and whether a controller lives. None: nothing is installed there."""

    source: Ownership | None
    target: Ownership | None
    source_held: bool = False
    target_held: bool = False

    @property
    def state(self) -> State:
        """What that makes."""
        if self.source is None or self.target is None:
            none = self.source is None and self.target is None
            return State.NOT_INSTALLED if none else State.HALF_INSTALLED
        if self.source.life is None or self.source.life != self.target.life:
            return State.HALF_INSTALLED
        if self.source.owner == MONOLITH:
            if self.target.owner == SERVICE:
                return State.NOT_CLOSED
            left, live, rest = State.FENCE_LEFT, State.CUTTING_OVER, State.MONOLITH
            return _fenced(self.source, self.source_held, left, live, rest)
        if self.target.owner == MONOLITH:
            return State.NOT_GRANTED
        left, live, rest = State.SERVICE_FENCE_LEFT, State.ROLLING_BACK, State.SERVICE
        return _fenced(self.target, self.target_held, left, live, rest)


def heal(move: Move) -> Healed:
    """Finish or take back what a dead or stopped controller left; say what it was.

    Raises ``psycopg.OperationalError`` when a side is away: what cannot be known is not touched;
    NotYetGranted when the service lacks what it has to open with, and cannot get it now.
    """
    with (
        connect(move.source, purpose="heal") as source,
        connect(move.target, purpose="heal") as target,
    ):
        return heal_with(move, source, target)


def heal_with(move: Move, source: Connection, target: Connection) -> Healed:
    """The same in sessions that are there."""
    seen = look(move, source, target)
    did = _mend(move, seen, source, target)
    return Healed(seen.state, did, look(move, source, target).state if did else seen.state)


def look(move: Move, source: Connection, target: Connection) -> Seen:
    """What both databases say. The target first: what the source says is newer, and decides."""
    theirs = _row(move, target, is_source=False)
    ours = _row(move, source, is_source=True)
    if ours is None or theirs is None:
        return Seen(ours, theirs)
    return Seen(ours, theirs, is_held(source, move.source), is_held(target, move.target))


def reopen_service(move: Move, source: Connection, target: Connection) -> bool:
    """Open the service's fence: first make sure that no swap for it can come any more.

    False when one has come already; then the service is told that it has nothing.
    """
    (epoch,) = call(source, move.source, "burn")
    crash_point("heal.burnt")
    if epoch is None:
        has = read_ownership(source, move.source)
        tell(move, target, has.owner, has.epoch)
        return False
    tell(move, target, SERVICE, epoch)
    return True


def _mend(move: Move, seen: Seen, source: Connection, target: Connection) -> tuple[str, ...]:
    if seen.source is None:
        return ()
    match seen.state:
        case State.FENCE_LEFT:
            call(source, move.source, "unfence", seen.source.epoch, 0)
            return ("opened the monolith's fence",)
        case State.NOT_GRANTED:
            return _granted(move, seen.source, target)
        case State.SERVICE_FENCE_LEFT:
            if reopen_service(move, source, target):
                return ("made the swap impossible", "opened the service's fence")
            return ("told the service that the module is back in the monolith",)
        case State.NOT_CLOSED:
            tell(move, target, MONOLITH, seen.source.epoch)
            return ("told the service that the module is back in the monolith",)
        case _:
            return ()


def _granted(move: Move, has: Ownership, target: Connection) -> tuple[str, ...]:
    told = "told the service that it has the module"
    assert has.marker is not None  # noqa: S101 - what was given was fenced
    if grant(move, target, epoch=has.epoch, marker=has.marker):
        return "brought the service its last changes", told
    return (told,)


def _fenced(has: Ownership, is_held: bool, left: State, live: State, rest: State) -> State:
    if has.mode == "open":
        return rest
    return left if has.is_overdue or not is_held else live


def _row(move: Move, connection: Connection, *, is_source: bool) -> Ownership | None:
    try:
        return read_ownership(connection, move.source if is_source else move.target)
    except NotInstalled:
        return None
