"""The phases of an extraction, and the only ways between them. Pure: no Django, no database.

monolith --create--> shadow --canary--> canary
monolith <--cancel-- shadow <--canary 0, rollback-- canary
shadow, canary --cutover--> extracted --rollback--> shadow
extracted --retire--> retired
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where a module stands; the words are the front door's."""

    MONOLITH = "monolith"
    SHADOW = "shadow"
    CANARY = "canary"
    EXTRACTED = "extracted"
    RETIRED = "retired"


class Direction(StrEnum):
    """Whither changes of the data are carried."""

    NOWHERE = "nowhere"
    TO_SERVICE = "to_service"
    TO_MONOLITH = "to_monolith"


class Transition(StrEnum):
    """What changes a phase."""

    CREATE = "create"
    CANCEL = "cancel"
    CANARY = "canary"
    CUTOVER = "cutover"
    ROLLBACK = "rollback"
    RETIRE = "retire"


TABLE: Final[Mapping[tuple[Phase, Transition], Phase]] = {
    (Phase.MONOLITH, Transition.CREATE): Phase.SHADOW,
    (Phase.SHADOW, Transition.CANCEL): Phase.MONOLITH,
    (Phase.SHADOW, Transition.CANARY): Phase.CANARY,
    (Phase.CANARY, Transition.CANARY): Phase.CANARY,
    (Phase.CANARY, Transition.ROLLBACK): Phase.SHADOW,
    (Phase.SHADOW, Transition.CUTOVER): Phase.EXTRACTED,
    (Phase.CANARY, Transition.CUTOVER): Phase.EXTRACTED,
    (Phase.EXTRACTED, Transition.ROLLBACK): Phase.SHADOW,
    (Phase.EXTRACTED, Transition.RETIRE): Phase.RETIRED,
}
DIRECTIONS: Final[Mapping[Phase, Direction]] = {
    Phase.MONOLITH: Direction.NOWHERE,
    Phase.SHADOW: Direction.TO_SERVICE,
    Phase.CANARY: Direction.TO_SERVICE,
    Phase.EXTRACTED: Direction.TO_MONOLITH,
    Phase.RETIRED: Direction.NOWHERE,
}
SERVICE_OWNS: Final = frozenset({Phase.EXTRACTED, Phase.RETIRED})
# Where there is something to fill, to compare, to carry or to hold still.
INSTALLED: Final = frozenset({Phase.SHADOW, Phase.CANARY, Phase.EXTRACTED})


class NotInTable(Exception):
    """No way leads from ``phase`` by ``by``; ``ways`` are those that do."""

    def __init__(self, phase: Phase, by: Transition) -> None:
        self.phase, self.by, self.ways = phase, by, ways_from(phase)
        can = ", ".join(self.ways) or "nothing"
        super().__init__(f"{by} is not possible in phase {phase}; possible: {can}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one module stands. ``percent`` of its work is the service's; ``epoch`` only grows.

    ``paused``: copy and streams stand still. ``halted``: why a canary does not go on by itself.
    """

    phase: Phase = Phase.MONOLITH
    percent: int = 0
    epoch: int = 0
    paused: bool = False
    halted: str = ""

    @property
    def direction(self) -> Direction:
        return DIRECTIONS[self.phase]


def ways_from(phase: Phase) -> tuple[Transition, ...]:
    """What may be done in ``phase``, in the order of ``Transition``."""
    return tuple(by for by in Transition if (phase, by) in TABLE)


def advanced(
    standing: Standing, by: Transition, *, percent: int = 0, epoch: int | None = None
) -> Standing:
    """Where ``standing`` is after ``by``.

    ``percent`` is that of a canary: 0 ends it. ``epoch`` is the one that a change of authority
    has brought. Raises NotInTable, and ValueError for a share or an epoch that cannot be.
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"a share is 0 to 100, not {percent}")
    now = standing.epoch if epoch is None else epoch
    if now < standing.epoch:
        raise ValueError(f"epoch {now} is before {standing.epoch}: epochs only grow")
    target = TABLE.get((standing.phase, by))
    if target is None:
        raise NotInTable(standing.phase, by)
    if by is Transition.CANARY and percent == 0:
        target = Phase.SHADOW
    share = _share(target, percent)
    return replace(standing, phase=target, percent=share, epoch=now, paused=False, halted="")


def _share(phase: Phase, percent: int) -> int:
    """In a canary what was asked for; whoever has the authority has all the work."""
    if phase is Phase.CANARY:
        return percent
    return 100 if phase in SERVICE_OWNS else 0
