"""Where each module stands, in the table: read, and changed by the way that ``phases`` knows."""

from __future__ import annotations

from datetime import datetime

from django.db import connections
from django.db.models.functions import Now

from modules.extraction.actors import acting
from modules.extraction.errors import Paused, WrongPhase
from modules.extraction.models import Capability
from modules.extraction.phases import (
    NotInTable,
    Phase,
    Standing,
    Transition,
    advanced,
    ways_from,
)

ALIAS = "extraction"
LONGEST_WHY = 500  # characters, as in the table


def now() -> datetime:
    """By the clock that all records here go by: the database's."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


def row_of(module: str) -> Capability:
    """The module's row; one that was never touched is in the monolith."""
    found = Capability.objects.filter(module=module).first()
    return found or Capability(module=module, actor="", reason="")


def standing_of(module: str) -> Standing:
    """Where ``module`` stands."""
    return as_standing(row_of(module))


def as_standing(row: Capability) -> Standing:
    return Standing(
        phase=Phase(row.phase),
        percent=row.percent,
        epoch=row.epoch,
        paused=row.paused,
        halted=row.halted,
    )


def after(
    module: str,
    standing: Standing,
    by: Transition,
    *,
    percent: int = 0,
    epoch: int | None = None,
) -> Standing:
    """Where it would stand. Raises WrongPhase."""
    try:
        return advanced(standing, by, percent=percent, epoch=epoch)
    except NotInTable as error:
        raise WrongPhase(
            module=module,
            phase=error.phase.value,
            verb=by.value,
            possible=possible(error.phase),
        ) from error


def possible(phase: Phase) -> tuple[str, ...]:
    """The verbs that lead on from ``phase``."""
    return tuple(way.value for way in ways_from(phase))


def put(module: str, standing: Standing, *, reason: str, place: str | None = None) -> None:
    """Record where ``module`` stands from now on; ``place`` where its service's database is."""
    said = {
        "phase": standing.phase.value,
        "percent": standing.percent,
        "direction": standing.direction.value,
        "epoch": standing.epoch,
        "paused": standing.paused,
        "halted": standing.halted,
        "since": Now(),
        "actor": acting(),
        "reason": reason,
    }
    if place is not None:
        said["place"] = place
    # One question: commands may be waiting for it.
    if not Capability.objects.filter(module=module).update(**said):
        Capability.objects.create(module=module, **said)


def halt(module: str, percent: int, why: str) -> None:
    """Say why the canary at ``percent`` does not go on; nothing where it has changed meanwhile."""
    stands = Capability.objects.filter(module=module, phase=Phase.CANARY, percent=percent)
    stands.update(halted=why[:LONGEST_WHY])


def check_not_paused(module: str) -> None:
    """Raises Paused."""
    row = row_of(module)
    if row.paused:
        raise Paused(module=module, actor=row.actor, reason=row.reason)
