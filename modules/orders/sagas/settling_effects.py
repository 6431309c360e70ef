"""What settled money changes in orders' own tables: an entry in the timeline."""

from __future__ import annotations

from modules.orders.queries import find_orders
from modules.orders.sagas.settling import Phase, Settling
from modules.orders.service.review import flag_for_review
from modules.orders.writing import Entry, tell_once
from modules.platform.sagas import Change, GaveUp


def apply(change: Change) -> None:
    """Note on the order, if there is one, what became of the money."""
    state: Settling = change.after
    if not find_orders((state.order_id,)):
        return
    if isinstance(change.event, GaveUp):
        flag_for_review(state.order_id, reason=change.event.detail, now=change.now)
    elif state.phase is Phase.DONE:
        entry = Entry(kind="payment_settled", detail=f"{state.command}: {state.reason}")
        # Payment says that money stands until it is claimed, and may say so once more meanwhile.
        tell_once(state.order_id, entry, actor="system", now=change.now)
