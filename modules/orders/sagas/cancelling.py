"""Cancelling an order, or some of its lines, once it stands.

STOPPING -> GIVING_BACK -> DONE, or STOPPING -> KEPT when the goods have left.
"""

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

TYPE = "cancel_order"


class Phase(StrEnum):
    """Where the cancellation stands."""

    STOPPING = "stopping"
    GIVING_BACK = "giving_back"
    DONE = "done"
    KEPT = "kept"


ENDS = frozenset({Phase.DONE, Phase.KEPT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelling:
    """What is cancelled. ``lines`` empty: all of it.

    ``amount``: what the shopper gets back; for all of it that is known when payment has answered.
    ``refunded_before``: minor units that had gone back before.
    """

    phase: Phase
    order_id: UUID
    reason: str
    actor: str
    amount: Money
    lines: tuple[StockLine, ...] = ()
    names: tuple[str, ...] = ()  # of ``lines``, for the pick list
    refusal: str = ""
    refunded_before: int = 0
    waiting: tuple[str, ...] = ()


def decide(state: Cancelling, event: SagaEvent) -> Decision | None:
    """Where the cancellation goes from ``state`` when ``event`` happens."""
    match event:
        case Started():
            # Not a forward command: without shipping's word nobody knows whether the goods are
            # still here, and nobody may guess.
            return Decision(state=state, commands=(Do(kind="stop_shipments", undoes=True),))
        case Answered(kind="stop_shipments") if state.phase is Phase.STOPPING:
            return _stopped(state, event.result)
        case Answered(kind=kind) if kind in state.waiting:
            return _given_back(_with_amount(state, event), kind)
        case GaveUp():
            return Decision(state=replace(state))
        case Answered() | Refused() | Expired() | Signal():
            return None


def _stopped(state: Cancelling, refusal: str | None) -> Decision:
    if refusal:
        return Decision(state=replace(state, phase=Phase.KEPT, refusal=refusal))
    return _give_back(state)


def _give_back(state: Cancelling) -> Decision:
    if not state.lines:
        kinds: tuple[str, ...] = ("cancel_payment", "release_stock")
    elif state.amount.amount == 0:
        kinds = ("release_stock",)
    else:
        kinds = ("refund_payment", "release_stock")
    return Decision(
        state=replace(state, phase=Phase.GIVING_BACK, waiting=kinds),
        commands=tuple(Do(kind=kind, undoes=True) for kind in kinds),
    )


def _given_back(state: Cancelling, kind: str) -> Decision:
    left = tuple(each for each in state.waiting if each != kind)
    phase = Phase.GIVING_BACK if left else Phase.DONE
    return Decision(state=replace(state, phase=phase, waiting=left))


def _with_amount(state: Cancelling, event: Answered) -> Cancelling:
    """``cancel_payment`` answers how much had been taken, in minor units; by hand nobody knows."""
    if event.kind != "cancel_payment" or not isinstance(event.result, int):
        return state
    back = max(event.result - state.refunded_before, 0)
    return replace(state, amount=Money(amount=back, currency=state.amount.currency))
