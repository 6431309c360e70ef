"""Front doors that do otherwise than the authority stands, and how they are told.

A door that was away at a swap does not know of it. It loses nothing: who asks the wrong side is
refused by PostgreSQL. But it is of little use meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modules.extraction import standings
from modules.extraction.phases import SERVICE_OWNS, Phase, Standing
from modules.extraction.routing.doors import Door, DoorAway, front_doors
from modules.platform.placement.doors import AUTHORITY_THERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """One front door; ``trouble`` goes on after its name. ``is_away``: it cannot be told now."""

    url: str
    trouble: str
    is_away: bool = False
    is_wrong: bool = False  # it sends commands to the side that has not the authority


def late_doors(module: str, standing: Standing) -> Iterator[Late]:
    """Those of this host that are not as ``standing`` says."""
    with front_doors() as doors:
        for door in doors:
            found = _looked_at(door, module, standing)
            if found is not None:
                yield found


def tell_door(url: str, module: str) -> None:
    """Whose ``module`` is, by the record. Raises DoorAway."""
    standing = standings.standing_of(module)
    is_services = standing.phase in SERVICE_OWNS
    with front_doors() as doors:
        for door in doors:
            if door.url == url:
                if is_services:
                    door.prepare(module)
                door.give(module, standing.epoch, to_service=is_services)


def _looked_at(door: Door, module: str, standing: Standing) -> Late | None:
    is_services = standing.phase in SERVICE_OWNS
    try:
        found = door.capability(module)
    except DoorAway as error:
        # Where the authority has never changed hands it has missed nothing.
        may_have_missed = is_services or (standing.phase is not Phase.MONOLITH and standing.epoch)
        trouble = f"is away ({error})"
        return Late(url=door.url, trouble=trouble, is_away=True) if may_have_missed else None
    phase = found.get("phase", Phase.MONOLITH.value)
    if (phase in AUTHORITY_THERE) is not is_services:
        return Late(url=door.url, trouble=f"has {module} as {phase}", is_wrong=True)
    return Late(url=door.url, trouble="holds its commands") if found.get("held") else None
