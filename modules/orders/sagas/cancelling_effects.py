"""What a cancellation changes in orders' own tables, in the transaction that records it."""

from __future__ import annotations

from modules.orders import events
from modules.orders.contract import (
    FulfilmentState,
    Order,
    OrderNotFound,
    OrderPaymentState,
    OrderState,
)
from modules.orders.domain.states import payment_after, standing_state
from modules.orders.sagas.cancelling import Cancelling, Phase
from modules.orders.service.review import flag_for_review
from modules.orders.writing import Entry, cancel_lines, lock_order, move, uncancel_lines
from modules.platform.messaging import publish
from modules.platform.sagas import Change, GaveUp


def apply(change: Change) -> None:
    """Carry the change over to the order."""
    if isinstance(change.event, GaveUp):
        reason = f"{change.event.kind} did not succeed: {change.event.detail}"
        flag_for_review(change.after.order_id, reason=reason, now=change.now)
    if change.before.phase == change.after.phase:
        return
    state: Cancelling = change.after
    order = lock_order(state.order_id)
    if order is None:
        raise OrderNotFound(reference=str(state.order_id))
    match state.phase:
        case Phase.KEPT:
            _kept(change, order)
        case Phase.DONE if state.lines:
            _some_cancelled(change, order)
        case Phase.DONE:
            _all_cancelled(change, order)
        case _:
            pass


def _kept(change: Change, order: Order) -> None:
    state: Cancelling = change.after
    uncancel_lines(order.id, state.lines)
    whole = not state.lines and order.state in (OrderState.CANCELLING, OrderState.NEEDS_REVIEW)
    move(
        order.id,
        now=change.now,
        actor=state.actor,
        to=standing_state(order.payment_state, order.fulfilment_state) if whole else None,
        sources=(order.state,),
        entries=(Entry(kind="cancellation_refused", detail=state.refusal),),
    )
    if whole:  # what was flagged before is so no more
        publish(events.reviewed(order))


def _all_cancelled(change: Change, order: Order) -> None:
    state: Cancelling = change.after
    back = OrderPaymentState.REFUNDED if state.amount.amount else OrderPaymentState.VOIDED
    refunded = min(state.refunded_before + state.amount.amount, order.total.amount)
    cancel_lines(order.id)
    moved = move(
        order.id,
        now=change.now,
        actor=state.actor,
        to=OrderState.CANCELLED,
        payment=payment_after(order.payment_state, back),
        fulfilment=FulfilmentState.CANCELLED,
        refunded=max(refunded, order.refunded),
        entries=(Entry(kind="cancelled", detail=state.reason),),
    )
    if moved is not None:
        publish(events.cancelled(moved, reason=state.reason, refunded=state.amount))


def _some_cancelled(change: Change, order: Order) -> None:
    state: Cancelling = change.after
    quantities = {line.sku: line.quantity for line in state.lines}
    detail = ", ".join(f"{quantity} x {sku}" for sku, quantity in quantities.items())
    moved = move(
        order.id,
        now=change.now,
        actor=state.actor,
        entries=(Entry(kind="partially_cancelled", detail=detail),),
    )
    if moved is not None:
        lines = events.lines_with(moved, quantities)
        publish(events.partially_cancelled(moved, lines=lines, refunded=state.amount))
