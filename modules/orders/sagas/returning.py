"""Giving money and stock back for returned goods: GIVING_BACK -> DONE."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from modules.inventory.contract import StockLine
from modules.platform.contracts import Money
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

TYPE = "return_goods"


class Phase(StrEnum):
    """Where it stands."""

    GIVING_BACK = "giving_back"
    DONE = "done"


ENDS = frozenset({Phase.DONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """What came back. ``restock``: the lines that can be sold again."""

    phase: Phase
    order_id: UUID
    return_id: UUID
    actor: str
    reason: str
    amount: Money
    restock: tuple[StockLine, ...] = ()
    waiting: tuple[str, ...] = ()


def decide(state: Returning, event: SagaEvent) -> Decision | None:
    """Where it goes from ``state`` when ``event`` happens."""
    match event:
        case Started():
            return _started(state)
        case Answered(kind=kind) if kind in state.waiting:
            left = tuple(each for each in state.waiting if each != kind)
            phase = Phase.GIVING_BACK if left else Phase.DONE
            return Decision(state=replace(state, phase=phase, waiting=left))
        case GaveUp():
            return Decision(state=replace(state))
        case Answered() | Refused() | Expired() | Signal():
            return None


def _started(state: Returning) -> Decision:
    kinds = (
        *(("refund_payment",) if state.amount.amount else ()),
        *(("restock",) if state.restock else ()),
    )
    return Decision(
        state=replace(state, waiting=kinds),
        commands=tuple(Do(kind=kind, undoes=True) for kind in kinds),
    )
