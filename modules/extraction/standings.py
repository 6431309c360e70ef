"""Where each module stands, in the table: read, and changed by the way that ``phases`` knows."""

from __future__ import annotations

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

# The table has all ways; there is no command yet that retires.
DOABLE = frozenset(Transition) - {Transition.RETIRE}


def row_of(module: str) -> Capability:
    """The module's row; one that was never touched is in the monolith."""
    found = Capability.objects.filter(module=module).first()
    return found or Capability(module=module, actor="", reason="")


def standing_of(module: str) -> Standing:
    """Where ``module`` stands."""
    return as_standing(row_of(module))


def as_standing(row: Capability) -> Standing:
    return Standing(phase=Phase(row.phase), percent=row.percent, epoch=row.epoch, paused=row.paused)


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
    """The verbs that lead on from ``phase``, as far as they can be done yet."""
    return tuple(way.value for way in ways_from(phase) if way in DOABLE)


def put(module: str, standing: Standing, *, reason: str, place: str | None = None) -> None:
    """Record where ``module`` stands from now on; ``place`` where its service's database is."""
    said = {
        "phase": standing.phase.value,
        "percent": standing.percent,
        "direction": standing.direction.value,
        "epoch": standing.epoch,
        "paused": standing.paused,
        "since": Now(),
        "actor": acting(),
        "reason": reason,
    }
    if place is not None:
        said["place"] = place
    Capability.objects.update_or_create(module=module, defaults=said)


def check_not_paused(module: str) -> None:
    """Raises Paused."""
    row = row_of(module)
    if row.paused:
        raise Paused(module=module, actor=row.actor, reason=row.reason)
