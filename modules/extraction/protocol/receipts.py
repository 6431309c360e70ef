"""What a swap leaves behind for the record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from modules.extraction.protocol.digests import TableDigest, digests, read_sums
from modules.extraction.protocol.sides import Connection, Direction, Move
from modules.extraction.protocol.streams import Stream


@dataclass(frozen=True, slots=True)
class SwapReceipt:
    """A cutover or a rollback that is done."""

    epoch: int
    marker: int  # the last number of the log that was given up
    positions: tuple[tuple[str, str], ...]  # direction, snapshot
    digests: tuple[TableDigest, ...]  # at the marker
    fence_ms: float  # how long writers kept the fence waiting; they queued behind it
    pause_ms: float  # from the fence's commit until the new side accepts writes
    committed_at: datetime  # the commit point, by the clock of the source


@dataclass(frozen=True, slots=True)
class Swapped:
    """The moments of one swap, on the controller's clock (seconds, monotonic)."""

    asked: float
    fenced: float
    granted: float


def write_receipt(
    move: Move,
    stream: Stream,
    connections: tuple[Connection, Connection],
    *,
    epoch: int,
    marker: int,
    at: Swapped,
    committed_at: datetime,
) -> SwapReceipt:
    """Read what both sides say now. ``connections``: source, target."""
    source, target = connections
    forward = read_sums(target, move.target, Direction.FORWARD)
    reverse = read_sums(source, move.source, Direction.REVERSE)
    position, _copied = stream.standing()
    return SwapReceipt(
        epoch=epoch,
        marker=marker,
        positions=((stream.direction.value, str(position)),),
        digests=digests(move, forward, reverse),
        fence_ms=(at.fenced - at.asked) * 1000,
        pause_ms=(at.granted - at.fenced) * 1000,
        committed_at=committed_at,
    )
