"""The stages of a run, in their order, and where one begins that was stopped. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from modules.extraction.phases import Phase


class Stage(StrEnum):
    """What a run does, one after the other."""

    CREATE = "create"
    BACKFILL = "backfill"
    VERIFY = "verify"
    SHADOW = "shadow"
    CANARY = "canary"
    PREFLIGHT = "preflight"
    CUTOVER = "cutover"
    WATCH = "watch"


# Where each phase goes on. What stands before is done, or would be done again for nothing.
NEXT: Final[Mapping[Phase, Stage]] = {
    Phase.MONOLITH: Stage.CREATE,
    Phase.SHADOW: Stage.BACKFILL,
    Phase.CANARY: Stage.CANARY,
    Phase.EXTRACTED: Stage.WATCH,
}
# What may be left out: nothing else looks at whether it was done.
OPTIONAL: Final = (Stage.SHADOW, Stage.CANARY)
LAST_OF: Final[Mapping[str, Stage]] = {
    **{one.value: one for one in Stage},
    Phase.EXTRACTED.value: Stage.CUTOVER,
}


def to_go(phase: Phase, *, to: Stage = Stage.WATCH, skip: frozenset[Stage]) -> tuple[Stage, ...]:
    """The stages from ``phase`` up to and with ``to``; none where all of it lies behind."""
    order = list(Stage)
    begin = NEXT.get(phase)
    if begin is None:
        return ()
    chosen = order[order.index(begin) : order.index(to) + 1]
    return tuple(one for one in chosen if one not in skip)
