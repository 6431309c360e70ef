"""What other modules' news does to an order. Called inside the bus's transaction: rows only."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from modules.inventory.contract import Shortage
from modules.orders.contract import FulfilmentState, Order, OrderPaymentState, OrderState
from modules.orders.domain.states import (
    BEING_PLACED,
    DEAD,
    STANDING,
    fulfilment_after,
    payment_after,
    progressed,
)
from modules.orders.sagas import settling
from modules.orders.service.review import flag_for_review
from modules.orders.writing import Entry, lock_order, move, tell
from modules.platform.contracts import Money
from modules.platform.rest.identifiers import new_id
from modules.platform.sagas import Signal
from modules.platform.sagas.clock import utc_now
from modules.platform.sagas.starting import signal, start

P, F = OrderPaymentState, FulfilmentState


def payment_authorized(order_id: UUID) -> None:
    """Money is set aside: news only for an order that still waits for it, or that is dead."""
    signal("orders", order_id, Signal(name="payment_authorized"))


def payment_declined(order_id: UUID, *, code: str) -> None:
    """The provider said no, after the shopper was sent to confirm."""
    signal("orders", order_id, Signal(name="payment_declined", data={"code": code}))


def payment_captured(order_id: UUID) -> None:
    """The money is taken."""
    order = lock_order(order_id)
    if order is not None:
        _settle(order, payment=P.PAID, entry=Entry(kind="captured"))


def payment_voided(order_id: UUID, *, reason: str) -> None:
    """The authorization is gone: as asked, or an order stands without money."""
    order = lock_order(order_id)
    if order is None:
        return
    _settle(order, payment=P.VOIDED, entry=Entry(kind="voided", detail=reason))
    if order.state in STANDING:
        flag_for_review(order_id, reason=f"the payment was voided: {reason}", now=utc_now())


def payment_refunded(order_id: UUID, *, refunded: Money) -> None:
    """Money went back; ``refunded`` is the total so far."""
    order = lock_order(order_id)
    if order is None:
        return
    amount = min(refunded.amount, order.total.amount)
    whole = amount >= order.total.amount
    _settle(
        order,
        payment=P.REFUNDED if whole else P.PARTIALLY_REFUNDED,
        refunded=max(amount, order.refunded),
        entry=Entry(kind="refunded", detail=f"{refunded} so far"),
    )
    unsent = order.state in (OrderState.CONFIRMED, OrderState.CAPTURED)
    if whole and unsent:
        reason = "refunded in full, and neither cancelled nor sent"
        flag_for_review(order_id, reason=reason, now=utc_now())


def capture_failed(order_id: UUID, *, reason: str) -> None:
    """The order stands and its money cannot be had."""
    flag_for_review(order_id, reason=f"the capture failed: {reason}", now=utc_now())


def payment_unclaimed(order_id: UUID, *, payment_id: UUID) -> None:
    """Money stands and nobody has claimed it: the order does, or it is given back."""
    order = lock_order(order_id)
    if order is not None and order.state in BEING_PLACED:
        payment_authorized(order_id)  # the answer that got lost
        return
    stands = order is not None and order.state not in DEAD
    command = "capture" if stands else "cancel_payment"
    reason = "no order claimed it" if order is None else f"the order is {order.state}"
    start(
        "orders",
        settling.TYPE,
        id=new_id(),
        key=f"{order_id}:{command}",
        subject=str(order_id),
        state=settling.Settling(
            phase=settling.Phase.SETTLING, order_id=order_id, command=command, reason=reason
        ),
    )


def shipment_dispatched(order_id: UUID, *, complete: bool, tracking: str) -> None:
    """A parcel left."""
    order = lock_order(order_id)
    if order is not None:
        fulfilment = F.SHIPPED if complete else F.PARTIALLY_SHIPPED
        _settle(order, fulfilment=fulfilment, entry=Entry(kind="shipped", detail=tracking))


def shipment_delivered(order_id: UUID, *, complete: bool) -> None:
    """A parcel arrived."""
    order = lock_order(order_id)
    if order is not None:
        fulfilment = F.DELIVERED if complete else order.fulfilment_state
        detail = "" if complete else "one of several parcels"
        _settle(order, fulfilment=fulfilment, entry=Entry(kind="delivered", detail=detail))


def shipment_cancelled(order_id: UUID, *, reason: str) -> None:
    """A parcel will not leave: as asked, or somebody must find out why."""
    order = lock_order(order_id)
    if order is None:
        return
    _settle(order, entry=Entry(kind="shipment_cancelled", detail=reason))
    untouched = not any(line.cancelled for line in order.lines)
    if untouched and order.state in (OrderState.CONFIRMED, OrderState.CAPTURED):
        flag_for_review(order_id, reason=f"a shipment was cancelled: {reason}", now=utc_now())


def reservation_expired(order_id: UUID) -> None:
    """The stock is free again: the order cannot be placed, or stands without goods."""
    detail = "The stock was held too long."
    data = {"code": "inventory.reservation_expired", "detail": detail}
    order = lock_order(order_id)
    if order is None or order.state in BEING_PLACED:
        signal("orders", order_id, Signal(name="reservation_expired", data=data))
    elif order.state in (OrderState.CONFIRMED, OrderState.CAPTURED):
        flag_for_review(order_id, reason="its stock was released", now=utc_now())


def allocation_failed(order_id: UUID, *, shortages: Sequence[Shortage]) -> None:
    """The stock was sold to others meanwhile: a person finds some, or cancels the order."""
    order = lock_order(order_id)
    if order is None or order.state in DEAD:
        return
    short = ", ".join(f"{s.sku}: {s.requested} ordered, {s.available} left" for s in shortages)
    now = utc_now()
    tell(order_id, Entry(kind="allocation_failed", detail=short), actor="system", now=now)
    if order.state in (OrderState.CONFIRMED, OrderState.CAPTURED):
        flag_for_review(order_id, reason=f"its stock was sold meanwhile ({short})", now=now)


def _settle(
    order: Order,
    *,
    entry: Entry,
    payment: OrderPaymentState | None = None,
    fulfilment: FulfilmentState | None = None,
    refunded: int | None = None,
) -> None:
    paid = payment_after(order.payment_state, payment) if payment else order.payment_state
    sent = (
        fulfilment_after(order.fulfilment_state, fulfilment)
        if fulfilment
        else order.fulfilment_state
    )
    target = progressed(order.state, paid, sent)
    move(
        order.id,
        now=utc_now(),
        actor="system",
        to=None if target == order.state else target,
        payment=paid,
        fulfilment=sent,
        refunded=refunded,
        entries=(entry,),
    )
