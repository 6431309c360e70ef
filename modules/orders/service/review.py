"""Orders that a person must look at."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from prometheus_client import Counter

from modules.inventory.contract import AllocateStock, Inventory, StockLine
from modules.orders import events
from modules.orders.contract import (
    FulfilmentState,
    Order,
    OrderNotFound,
    OrderState,
    OrderStateConflict,
)
from modules.orders.domain.states import sources_of, standing_state
from modules.orders.queries import get_order
from modules.orders.writing import Entry, lock_order, move
from modules.platform.binding import use
from modules.platform.contracts import StaleVersion, current_context
from modules.platform.databases import atomic
from modules.platform.messaging import publish
from modules.platform.sagas.clock import Clock, utc_now

log = structlog.get_logger(__name__)
FLAGGED = Counter("ficus_orders_flagged_total", "Orders that a person must look at")


def flag_for_review(order_id: UUID, *, reason: str, now: datetime) -> None:
    """Have a person look at the order. Part of the open transaction.

    An order that is flagged already, or is at rest for good, is left as it is.
    """
    order = move(
        order_id,
        now=now,
        actor="system",
        to=OrderState.NEEDS_REVIEW,
        sources=sources_of(OrderState.NEEDS_REVIEW),
        review_reason=reason[:1000],
        entries=(Entry(kind="needs_review", detail=reason),),
    )
    if order is None:
        return
    publish(events.needs_review(order, reason=reason))
    FLAGGED.inc()
    log.warning("orders.needs_review", order=str(order_id), number=order.number, reason=reason)


def mark_reviewed(order_id: UUID, *, reason: str, clock: Clock = utc_now) -> OrderState:
    """A person looked: the order goes on where its payment and fulfilment have it.

    Goods of an order that nothing has left of are set aside again if its hold ran out. Raises
    OrderNotFound, OrderStateConflict; InsufficientStock, ReservationClosed and their like when
    there are no goods for it: then it stays flagged.
    """
    seen = get_order(order_id)
    target = _after_review(seen)
    if target in (OrderState.CONFIRMED, OrderState.CAPTURED):
        _set_aside(seen)
    with atomic("orders"):
        order = lock_order(order_id)
        if order is None:
            raise OrderNotFound(reference=str(order_id))
        if order.version != seen.version:
            raise StaleVersion(expected=seen.version, actual=order.version)
        move(
            order_id,
            now=clock(),
            actor=current_context().actor.label or "staff",
            to=target,
            review_reason="",
            entries=(Entry(kind="reviewed", detail=reason),),
        )
        publish(events.reviewed(order))
    return target


def _after_review(order: Order) -> OrderState:
    if order.state is not OrderState.NEEDS_REVIEW:
        raise OrderStateConflict(order_id=order.id, state=order.state, wanted="a review")
    if order.failure_code:
        return OrderState.CANCELLING
    return standing_state(order.payment_state, order.fulfilment_state)


def _set_aside(order: Order) -> None:
    if order.fulfilment_state is not FulfilmentState.UNFULFILLED:
        return
    left = ((line.sku, line.quantity - line.cancelled - line.returned) for line in order.lines)
    use(Inventory).allocate(
        AllocateStock(
            idempotency_key=f"review:{order.id}:{order.version}",
            order_id=order.id,
            lines=tuple(StockLine(sku=sku, quantity=count) for sku, count in left if count),
        )
    )
