"""What a settled return changes in orders' own tables, in the transaction that records it."""

from __future__ import annotations

from modules.orders import events
from modules.orders.contract import FulfilmentState, Order, OrderNotFound, OrderState
from modules.orders.domain.states import fulfilment_after
from modules.orders.returns import finish_return
from modules.orders.sagas.returning import Phase, Returning
from modules.orders.service.review import flag_for_review
from modules.orders.writing import Entry, lock_order, move
from modules.platform.messaging import publish
from modules.platform.sagas import Change, GaveUp


def apply(change: Change) -> None:
    """Carry the change over to the return and its order."""
    if isinstance(change.event, GaveUp):
        reason = f"{change.event.kind} did not succeed: {change.event.detail}"
        flag_for_review(change.after.order_id, reason=reason, now=change.now)
    if change.after.phase is Phase.DONE and change.before.phase is not Phase.DONE:
        _done(change)


def _done(change: Change) -> None:
    state: Returning = change.after
    if lock_order(state.order_id) is None:
        raise OrderNotFound(reference=str(state.order_id))
    accepted = finish_return(state.return_id, state.order_id, now=change.now)
    order = lock_order(state.order_id)
    assert order is not None  # noqa: S101  # locked above
    all_back = all_returned(order)
    moved = move(
        order.id,
        now=change.now,
        actor=state.actor,
        to=OrderState.REFUNDED if order.state is OrderState.REFUNDING and all_back else None,
        sources=(order.state,),
        fulfilment=fulfilment_after(order.fulfilment_state, FulfilmentState.RETURNED)
        if all_back
        else None,
        entries=(Entry(kind="returned", detail=f"{state.amount} back to the shopper"),),
    )
    if moved is not None:
        lines = events.lines_with(moved, accepted)
        publish(events.returned(moved, lines=lines, refunded=state.amount))


def all_returned(order: Order) -> bool:
    """Whether nothing of the order is left with the shopper."""
    return all(line.cancelled + line.returned >= line.quantity for line in order.lines)
