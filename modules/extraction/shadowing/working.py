"""The work of shadowing beside ``watch``: front doors kept as they should be, pairs compared.

One row is read while it is off. Whatever fails is said and tried again: nothing here may end the
process that carries the data.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from django.db import connections

from modules.extraction import standings
from modules.extraction.phases import Phase
from modules.extraction.routing.doors import Door, front_doors
from modules.extraction.shadowing import mirrors
from modules.extraction.shadowing.collecting import collect
from modules.extraction.shadowing.models import Shadow
from modules.extraction.shadowing.replaying import HostAway, Sides, replay
from modules.extraction.shadowing.retaining import prune

log = structlog.get_logger(__name__)

LOOK = 1.0  # seconds between two rounds
PRUNE = timedelta(minutes=10)  # between two looks for what is too old
SHADOWED = frozenset({Phase.SHADOW, Phase.CANARY})


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did: pairs and commands compared, and what could not be done."""

    pairs: int = 0
    late: tuple[str, ...] = ()


def shadow_of(module: str) -> Shadow | None:
    """What is mirrored of ``module``; None where nothing is."""
    return Shadow.objects.filter(module=module).first()


def round_of(module: str, now: datetime | None = None, *, by: Sides | None = None) -> Round:
    """Tell the front doors and compare what is there; nothing while it is off.

    ``by`` asks both hosts commands; without it such processes live for this round.
    """
    shadow = shadow_of(module)
    if shadow is None or not (shadow.percent or shadow.commands):
        return Round()
    sides = by or Sides(module)
    try:
        with front_doors() as doors:
            reads = _reads(shadow, doors, now or datetime.now(UTC))
        commands, away = _commands(shadow, sides)
    finally:
        if by is None:
            sides.close()
    return Round(reads.pairs + commands, tuple(dict.fromkeys([*reads.late, *away])))


def _commands(shadow: Shadow, sides: Sides) -> tuple[int, list[str]]:
    if standings.standing_of(shadow.module).phase not in SHADOWED:
        return 0, []
    try:
        return replay(shadow, sides), []
    except HostAway as error:
        return 0, [str(error)]


def _reads(shadow: Shadow, doors: Sequence[Door], now: datetime) -> Round:
    late: list[str] = []
    if not shadow.percent:
        return Round()
    # Otherwise the front doors have been told by who gave the data away.
    if standings.standing_of(shadow.module).phase in SHADOWED:
        late += mirrors.tell(doors, shadow, now)
    places, silent = mirrors.places_of(doors, shadow.module)
    return Round(collect(shadow, places), tuple(dict.fromkeys([*late, *silent])))


class Working:
    """Rounds in a thread of their own until ``close``."""

    def __init__(self, module: str, *, every: float = LOOK) -> None:
        self._module, self._every = module, every
        self._stop = threading.Event()
        self._sides = Sides(module)
        self._thread = threading.Thread(target=self._run, name="shadowing", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Returns when nothing runs any more."""
        self._stop.set()
        while self._thread.is_alive():
            self._sides.interrupt()  # it may be waiting for a host to begin
            self._thread.join(0.2)

    def _run(self) -> None:
        said: tuple[str, ...] = ()
        pruned = datetime.now(UTC)
        try:
            while not self._stop.wait(self._every):
                now = datetime.now(UTC)
                late = self._try(now)
                if late != said and late:
                    log.warning("extraction.shadow_late", module=self._module, trouble=late)
                said = late
                if now - pruned > PRUNE:
                    self._prune(now)
                    pruned = now
        finally:
            self._sides.close()
            connections.close_all()

    def _try(self, now: datetime) -> tuple[str, ...]:
        try:
            return round_of(self._module, now, by=self._sides).late
        except Exception as error:  # a database away, a full disk: the next round may do
            connections.close_all()
            return (str(error).strip() or repr(error),)

    def _prune(self, now: datetime) -> None:
        try:
            prune(self._module, now)
        except Exception as error:
            log.warning("extraction.shadow_not_pruned", module=self._module, error=str(error))
