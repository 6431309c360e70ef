"""What the protocol refuses, and why.

    ProtocolError
    +-- Unmovable             a table that cannot be captured, or two sides that differ in structure
    +-- NotInstalled          there is nothing of the protocol in one of the two databases
    +-- CaptureAway           capture was taken away since the copy, or never finished
    +-- StillMoved            uninstalling now would open the module's old home to writers
    +-- Controlled            another controller holds this move
    +-- NotReady              a check of the preflight failed
    +-- TimeIsUp              the caller's time was over before the commit point
    +-- FenceRefused          the module's writers did not let the fence in, in time
    +-- NotDrained            the other side did not reach the marker in time
    +-- SwapRefused           the fence lapsed before the commit point
    +-- NotYetGranted         it is committed, the new side was not told yet: heal() will
    +-- Diverged              the digests of the two sides differ
    +-- StalePosition         another applier has applied this batch; read again
    +-- StreamStopped         a row or a structure of one side does not fit the other

A writer that is refused sees an SQLSTATE of PostgreSQL, not one of these: ``refusal()`` reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

# The letters I to Z begin classes that the SQL standard leaves to implementations; PostgreSQL
# itself uses none that begins with M.
FENCED, MOVED, TRUNCATE_REFUSED = "MV001", "MV002", "MV003"
DRY = "MV004"  # a dry transaction was about to be committed
STALE = "MV005"  # another applier has applied this batch


class Refusal(StrEnum):
    """Why the database refused a write."""

    FENCED = "fenced"  # for less than a second: try again, here or where the route then says
    MOVED = "moved"  # the other side is the authority: ask for the route and go there
    TRUNCATE = "truncate"  # cannot be captured row by row: use DELETE


_BY_STATE = {
    FENCED: Refusal.FENCED,
    MOVED: Refusal.MOVED,
    TRUNCATE_REFUSED: Refusal.TRUNCATE,
}


def refusal(error: BaseException) -> Refusal | None:
    """Why ``error``, of psycopg or wrapped by Django, is a refusal of the protocol; or None."""
    seen: BaseException | None = error
    while seen is not None:
        state = getattr(seen, "sqlstate", None)
        if state in _BY_STATE:
            return _BY_STATE[state]
        seen = seen.__cause__
    return None


class ProtocolError(Exception):
    """The root: what was asked for was not done, and nothing is half done."""


class Unmovable(ProtocolError):
    """Tables or structures that the protocol cannot move; ``reasons`` say which and why."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class NotInstalled(ProtocolError):
    """``side`` has nothing of this move."""

    def __init__(self, module: str, side: str) -> None:
        super().__init__(f"the move of {module} is not installed in the database of the {side}")
        self.module, self.side = module, side


class CaptureAway(ProtocolError):
    """Writes may have passed uncaptured: what was copied says nothing any more."""

    def __init__(self, module: str) -> None:
        super().__init__(f"capture of {module} has been away: nothing that was copied counts")
        self.module = module


class StillMoved(ProtocolError):
    """The service has the module, or it is fenced: taking the guards away would admit writers."""

    def __init__(self, module: str, state: str) -> None:
        super().__init__(f"{module} is {state}: roll it back, or retire the monolith's copy")
        self.module, self.state = module, state


class Controlled(ProtocolError):
    """Another session holds the controller's lock of this move."""

    def __init__(self, module: str, side: str) -> None:
        super().__init__(f"another controller is moving {module} (seen in the {side})")
        self.module, self.side = module, side


class NotReady(ProtocolError):
    """Checks that failed, by name, with what they have and need."""

    def __init__(self, failed: Sequence[str]) -> None:
        super().__init__("; ".join(failed))
        self.failed = tuple(failed)


class TimeIsUp(ProtocolError):
    """The caller's time was over; ``reached`` is how far it came. Nothing has changed hands."""

    def __init__(self, module: str, reached: str) -> None:
        super().__init__(f"the time for moving {module} is up ({reached})")
        self.module, self.reached = module, reached


class FenceRefused(ProtocolError):
    """A transaction that writes to the module outlived the fence's patience each time."""

    def __init__(self, module: str, attempts: int) -> None:
        super().__init__(f"writers of {module} did not let the fence in, {attempts} times")
        self.module, self.attempts = module, attempts


class NotDrained(ProtocolError):
    """The marker was not applied in time."""

    def __init__(self, module: str, reason: str) -> None:
        super().__init__(f"the last changes of {module} were not applied: {reason}")
        self.module, self.reason = module, reason


class SwapRefused(ProtocolError):
    """The compare-and-swap of the owner found another epoch, a lapsed fence or later writes."""

    def __init__(self, module: str, epoch: int) -> None:
        super().__init__(
            f"the fence {epoch} of {module} was no longer standing at its commit point"
        )
        self.module, self.epoch = module, epoch


class NotYetGranted(ProtocolError):
    """The swap is committed and stands; the new authority has not been told. ``heal`` tells it."""

    def __init__(self, module: str, epoch: int) -> None:
        super().__init__(f"{module} has changed hands (epoch {epoch}), its new side is away: heal")
        self.module, self.epoch = module, epoch


class Diverged(ProtocolError):
    """Tables whose digests differ between the sides."""

    def __init__(self, module: str, tables: Sequence[str]) -> None:
        super().__init__(f"{module} differs between the two sides in {', '.join(tables)}")
        self.module, self.tables = module, tuple(tables)


class StalePosition(ProtocolError):
    """The position in the database is not the one that this batch was read from."""


class StreamStopped(ProtocolError):
    """What a stream brings is refused by a table of its end, and will be until somebody acts."""

    def __init__(self, stream: str, table: str, error: Exception) -> None:
        # What stands below the first line are a row's values: no matter for a log.
        self.why = str(error).strip().partition("\n")[0]
        super().__init__(
            f"the {stream} stream is stopped at {table} ({self.why}): repair with --dry-run names "
            "rows that were written around the triggers"
        )
