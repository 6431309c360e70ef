"""The receipt of a change of authority whose controller did not live to write it.

Whoever finishes the change writes it, from what the two databases say. What they do not know is
``unknown``. Once: the last receipt of a swap says for which marker of the log it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from modules.extraction import receipts, standings
from modules.extraction.models import Receipt, Step
from modules.extraction.moves import move_of
from modules.extraction.phases import Transition
from modules.extraction.protocol import Move, NotInstalled
from modules.extraction.protocol.controlling import TTL
from modules.extraction.protocol.digests import Pair, digests, read_sums
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.sides import SERVICE, Connection, Direction, Side, connect, row

KINDS = (Transition.CUTOVER.value, Transition.ROLLBACK.value)
_REACHED = "SELECT marker FROM {}.stream WHERE name = 'reverse'"
_POSITION = "SELECT position FROM {}.stream WHERE name = %s"
_MOMENTS = """
SELECT owner, epoch, mode = 'open', fence_deadline, changed_at, pg_postmaster_start_time()
FROM {}.ownership
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A change of authority of which no receipt speaks."""

    kind: str  # cutover, rollback
    epoch: int
    marker: int  # the last number of the log that was given up


@dataclass(frozen=True, slots=True)
class _Moments:
    """One side's word on who has the module, and since when by its clock."""

    owner: str
    epoch: int
    is_open: bool
    fence_deadline: datetime | None
    changed_at: datetime
    server: datetime  # when it was started: the same on both sides if they are one server


def owed(module: str) -> Owed | None:
    """The last change of authority, unless its receipt is there. Raises psycopg's errors."""
    found = _last_change(move_of(module))
    last = _last_receipt(module)
    if found is None or last is None:
        return found
    is_there = (last.kind, last.body.get("marker")) == (found.kind, found.marker)
    return None if is_there else found


def _last_receipt(module: str) -> Receipt | None:
    """Of this extraction: in the next one the log's markers begin anew."""
    begun = Step.objects.filter(module=module, verb=Transition.CREATE.value).order_by("id").last()
    ours = Receipt.objects.filter(module=module, kind__in=KINDS).order_by("id")
    return ours.filter(made_at__gte=begun.started_at).last() if begun else ours.last()


def settle(module: str) -> None:
    """Write the receipt that is owed; nothing when somebody was faster.

    It names who began the swap and why, if that step is still open; else who finishes it. Is
    called by the one controller of ``module``, within its step.
    """
    found = owed(module)
    if found is None:
        return
    under_way = Step.objects.filter(module=module, ended_at=None).order_by("id")
    step = under_way.filter(verb=found.kind).last() or under_way.last()
    assert step is not None  # noqa: S101 - the caller's own
    receipts.sign(step, found.kind, found.epoch, _facts(move_of(module), found))


def _last_change(move: Move) -> Owed | None:
    """None where the authority has never changed hands since the extraction was begun."""
    with connect(move.source, purpose="doctor") as source:
        try:
            has = read_ownership(source, move.source)
        except NotInstalled:
            return None
        # No fence is set in the source while the service has the module, and no marker of the
        # stream back is newer than the last rollback while the monolith has it.
        if has.owner == SERVICE:
            kind, marker = Transition.CUTOVER, has.marker
        else:
            statement = sql.SQL(_REACHED).format(sql.Identifier(move.source.room))
            reached = source.execute(statement).fetchone()
            kind, marker = Transition.ROLLBACK, reached[0] if reached else None
    return None if marker is None else Owed(kind=kind.value, epoch=has.epoch, marker=marker)


def _facts(move: Move, change: Owed) -> dict[str, Any]:
    with (
        connect(move.source, purpose="doctor") as source,
        connect(move.target, purpose="doctor") as target,
    ):
        there, forward = _carried(target, move.target, Direction.FORWARD)
        back, reverse = _carried(source, move.source, Direction.REVERSE)
        ours, theirs = _moments(source, move.source), _moments(target, move.target)
    committed, pause = _timed(change.kind, ours, theirs)
    return {
        "marker": change.marker,
        # Of the sums; the stream of the new direction has gone on since the marker.
        "positions": {Direction.FORWARD.value: there, Direction.REVERSE.value: back},
        "digests": receipts.listed(digests(move, forward, reverse)),
        "fence_ms": receipts.UNKNOWN,
        "pause_ms": receipts.UNKNOWN if pause is None else pause,
        "committed_at": committed.isoformat() if committed else receipts.UNKNOWN,
        "rolled_forward_at": standings.now().isoformat(),
    }


def _carried(
    connection: Connection, end: Side, direction: Direction
) -> tuple[str, Mapping[int, Pair]]:
    """How far a stream has come at its ``end``, and the sums of just then."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        statement = sql.SQL(_POSITION).format(sql.Identifier(end.room))
        position = str(row(connection, statement, [direction])[0])
        return position, read_sums(connection, end, direction)


def _moments(connection: Connection, side: Side) -> _Moments:
    return _Moments(*row(connection, sql.SQL(_MOMENTS).format(sql.Identifier(side.room))))


def _timed(kind: str, ours: _Moments, theirs: _Moments) -> tuple[datetime | None, float | None]:
    """The commit point by the source's clock, and how long writes waited in ms, as in a receipt of
    the controller's own: from the fence until the new side took them. None: not known.

    A row says when it was changed last: that is the swap only if nothing came after it. When the
    fence was set is its deadline less its time to live.
    """
    if ours.epoch != theirs.epoch or not (ours.is_open and theirs.is_open):
        return None, None
    to_service = kind == Transition.CUTOVER
    fence = ours if to_service else theirs
    committed = ours.changed_at
    # A commit point comes before the fence's deadline, a burnt epoch long after it.
    if to_service and (fence.fence_deadline is None or committed >= fence.fence_deadline):
        return None, None
    if fence.fence_deadline is None or ours.server != theirs.server:
        return committed, None  # two servers have two clocks
    given = theirs.changed_at if to_service else committed
    pause = (given - (fence.fence_deadline - TTL)).total_seconds() * 1000
    return committed, round(pause, 3) if pause >= 0 else None
