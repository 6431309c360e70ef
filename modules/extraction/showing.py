"""How things stand, for people and programs: the recorded state beside what the databases say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg

from modules.extraction import targets
from modules.extraction.controlling import holder
from modules.extraction.healing import looked
from modules.extraction.models import Step
from modules.extraction.modules_here import check_module, movable_modules
from modules.extraction.moves import move_of
from modules.extraction.phases import Direction, Phase
from modules.extraction.protocol import Direction as Stream
from modules.extraction.protocol import Move, ProtocolError
from modules.extraction.protocol import Stream as Carried
from modules.extraction.protocol.sides import bounded
from modules.extraction.standings import possible, row_of

_APPLIERS = """
SELECT EXISTS (SELECT FROM pg_stat_activity a
               WHERE a.datname = current_database() AND a.application_name = %s
                 -- a look at the lag is over sooner
                 AND a.backend_start < clock_timestamp() - interval '1 second')
"""
MOST = 1_000_000  # changes counted; more are so many anyway


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Who is at a module now."""

    verb: str
    actor: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One module. ``possible`` are the ways that lead on from its phase.

    ``halted`` is why a canary does not go on by itself.
    ``databases`` is what the two say themselves, or "away"; ``lag`` how many changes wait to be
    carried, counted up to ``MOST``; ``carried`` whether somebody carries them now. None where
    nothing is to be carried, or a side is away.
    """

    module: str
    phase: str
    percent: int
    direction: str
    epoch: int
    paused: bool
    place: str
    since: datetime | None
    actor: str
    reason: str
    busy: Busy | None
    possible: tuple[str, ...]
    halted: str = ""
    databases: str = ""
    lag: int | None = None
    carried: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All modules that may be moved, or the one that was asked for."""

    modules: tuple[Shown, ...]


def status(module: str | None = None) -> Status:
    """Raises NoSuchModule."""
    if module is not None:
        check_module(module)
    chosen = (module,) if module else movable_modules()
    return Status(modules=tuple(map(_shown, chosen)))


def _shown(module: str) -> Shown:
    known, at_it = written_down(module), holder(module)
    databases, lag, carried = _said(module, Direction(known.direction))
    busy = Busy(verb=at_it.verb, actor=at_it.actor, since=at_it.since) if at_it else None
    return replace(known, busy=busy, databases=databases, lag=lag, carried=carried)


def written_down(module: str, *, databases: str = "") -> Shown:
    """What is on record of ``module``, whatever its databases say."""
    row = row_of(module)
    return Shown(
        module=module,
        phase=row.phase,
        percent=row.percent,
        direction=row.direction,
        epoch=row.epoch,
        paused=row.paused,
        place=row.place,
        since=row.since if row.actor else None,
        actor=row.actor,
        reason=row.reason,
        busy=None,
        possible=possible(Phase(row.phase)),
        halted=row.halted,
        databases=databases,
    )


def _said(module: str, direction: Direction) -> tuple[str, int | None, bool | None]:
    """What both databases say, how many changes wait, and whether somebody carries them."""
    if targets.known(module) is None:
        return "", None, None
    try:
        move = move_of(module)
        state = looked(move).value
        if direction is Direction.NOWHERE:
            return state, None, None
        way = Stream.FORWARD if direction is Direction.TO_SERVICE else Stream.REVERSE
        carried = _is_carried(move, way)
        with Carried(move, way) as stream:
            return state, stream.lag(limit=MOST), carried
    except (psycopg.Error, ProtocolError):
        return "away", None, None


def _is_carried(move: Move, way: Stream) -> bool:
    """Whether a session applies there: that of whoever watches."""
    _, end = way.ends(move)
    # As the login itself: the owner of the schema is not shown when a session began.
    with psycopg.connect(bounded(end.url), autocommit=True) as connection:
        found = connection.execute(_APPLIERS, [f"ficus {end.schema} {way} apply"]).fetchone()
    return bool(found and found[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One step of the record. ``outcome`` is empty while it runs, and for one that was killed."""

    step: int
    module: str
    verb: str
    actor: str
    reason: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    detail: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Newest last."""

    steps: tuple[Line, ...]


def log_of(module: str | None = None, *, last: int = 50) -> Log:
    """The last steps, of one module or of all. Raises NoSuchModule."""
    if module is not None:
        check_module(module)
    rows = Step.objects.all() if module is None else Step.objects.filter(module=module)
    return Log(steps=tuple(reversed([_line(row) for row in rows.order_by("-id")[:last]])))


def _line(row: Step) -> Line:
    return Line(
        step=row.pk,
        module=row.module,
        verb=row.verb,
        actor=row.actor,
        reason=row.reason,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        detail=row.detail,
        facts=row.facts,
    )
