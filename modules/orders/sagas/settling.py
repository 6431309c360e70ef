"""Money without an order, or of an order that did not capture it: SETTLING -> DONE."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from modules.platform.sagas import (
    Answered,
    Decision,
    Do,
    Expired,
    GaveUp,
    Refused,
    SagaEvent,
    Signal,
    Started,
)

TYPE = "settle_payment"


class Phase(StrEnum):
    """Where it stands."""

    SETTLING = "settling"
    DONE = "done"


ENDS = frozenset({Phase.DONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """``command``: ``cancel_payment`` for an unknown or dead order, ``capture`` for one that
    stands."""

    phase: Phase
    order_id: UUID
    command: str
    reason: str


def decide(state: Settling, event: SagaEvent) -> Decision | None:
    """Where it goes from ``state`` when ``event`` happens."""
    match event:
        case Started():
            return Decision(state=state, commands=(Do(kind=state.command, undoes=True),))
        case Answered():
            return Decision(state=replace(state, phase=Phase.DONE))
        case GaveUp():
            return Decision(state=replace(state))
        case Refused() | Expired() | Signal():
            return None
