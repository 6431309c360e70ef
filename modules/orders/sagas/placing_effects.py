"""What placing changes in orders' own tables, in the transaction that records it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from django.db import IntegrityError

from modules.cart.contract import CartLine
from modules.orders import events
from modules.orders.contract import (
    CartOrdered,
    Order,
    OrderLine,
    OrderNotFound,
    OrderPaymentState,
    OrderState,
    OrderStateConflict,
)
from modules.orders.queries import find_orders
from modules.orders.sagas.placing import Checkout, Phase, Placing
from modules.orders.service.review import flag_for_review
from modules.orders.writing import Entry, NewOrder, insert_order, move
from modules.platform.messaging import publish
from modules.platform.sagas import Answered, Change, GaveUp

ONE_PER_CART = "orders_one_per_cart"


def apply(change: Change) -> None:
    """Carry the change over to the order. Raises OrdersError when the order does not allow it."""
    if isinstance(change.event, GaveUp):
        _gave_up(change, change.event)
    elif touches(change):
        _EFFECTS[change.after.phase](change)


def touches(change: Change) -> bool:
    """Whether the order changes: the cart's completion is no news to it."""
    if isinstance(change.event, GaveUp):
        return True
    before, after = change.before.phase, change.after.phase
    return before is not Phase.COMPLETING and before is not after


def _create(change: Change) -> None:
    if not isinstance(change.event, Answered) or change.event.kind != "checkout":
        return
    state, found = change.after, change.event.result
    try:
        entry = Entry(kind="placed", detail=f"{len(found.snapshot.lines)} lines")
        insert_order(_new_order(state, found, change), entry, actor=state.actor)
    except IntegrityError as error:
        if ONE_PER_CART in str(error):
            raise CartOrdered(cart_id=state.cart_id) from error
        raise


def _new_order(state: Placing, found: Checkout, change: Change) -> NewOrder:
    cart, quote = found.snapshot, found.quote
    shipping_tax = quote.price.amount - quote.price.amount * 10_000 // (
        10_000 + quote.tax_basis_points
    )
    return NewOrder(
        id=state.order_id,
        owner=cart.owner,
        email=state.email,
        locale=state.locale,
        source="cart",
        cart_id=state.cart_id,
        state=OrderState.PENDING,
        lines=tuple(_line(line) for line in cart.lines),
        subtotal=cart.subtotal,
        discount=cart.discount,
        shipping=quote.price,
        tax=cart.tax + type(cart.tax)(amount=shipping_tax, currency=cart.currency),
        total=cart.total + quote.price,
        shipping_method=quote.method,
        payment_method=state.payment_method,
        shipping_address=state.shipping_address,
        billing_address=state.billing_address,
        placed_at=change.now,
    )


def _line(line: CartLine) -> OrderLine:
    return OrderLine(
        sku=line.sku,
        product_id=line.product_id,
        name=line.name,
        quantity=line.quantity,
        unit_price=line.unit_price,
        discount=line.discount,
        total=line.total,
        tax=line.tax,
        weight_grams=line.weight_grams,
    )


def _ask_shopper(change: Change) -> None:
    entry = Entry(kind="payment_confirmation_asked")
    moved = move(
        change.after.order_id,
        now=change.now,
        actor=change.after.actor,
        next_action=change.after.next_action,
        sources=(OrderState.RESERVED,),
        entries=(entry,),
    )
    _require(moved, change.after.order_id, "asking for a confirmation")


def _confirm(change: Change) -> None:
    state: Placing = change.after
    free = state.total is not None and state.total.amount == 0
    order = move(
        state.order_id,
        now=change.now,
        actor=state.actor,
        to=OrderState.CONFIRMED,
        # Through AUTHORIZED in the same commit: nobody could do anything in between.
        sources=(OrderState.RESERVED, OrderState.PENDING) if free else (OrderState.RESERVED,),
        payment=OrderPaymentState.PAID if free else OrderPaymentState.AUTHORIZED,
        next_action="",
        entries=(Entry(kind="free" if free else "authorized"), Entry(kind="confirmed")),
    )
    publish(events.confirmed(_require(order, state.order_id, "confirming")))


def _reserved(change: Change) -> None:
    moved = move(
        change.after.order_id,
        now=change.now,
        actor=change.after.actor,
        to=OrderState.RESERVED,
        entries=(Entry(kind="reserved"),),
    )
    _require(moved, change.after.order_id, "reserving")


def _cancelling(change: Change) -> None:
    state: Placing = change.after
    failure = (state.failure_code, state.failure_detail)
    detail = f"{state.failure_code}: {state.failure_detail}"
    move(
        state.order_id,
        now=change.now,
        actor=state.actor,
        to=OrderState.CANCELLING,
        failure=failure,
        next_action="",
        entries=(Entry(kind="failed", detail=detail),),
    )


def _cancelled(change: Change) -> None:
    state: Placing = change.after
    order = move(
        state.order_id,
        now=change.now,
        actor=state.actor,
        to=OrderState.CANCELLED,
        sources=(OrderState.CANCELLING, OrderState.NEEDS_REVIEW),
        payment=OrderPaymentState.FAILED,
        entries=(Entry(kind="cancelled", detail="all was given back"),),
    )
    if order is not None:  # None: it failed at checkout, or had failed before
        publish(events.failed(order))


def _gave_up(change: Change, event: GaveUp) -> None:
    reason = f"{event.kind} did not succeed: {event.code}: {event.detail}"
    flag_for_review(change.after.order_id, reason=reason, now=change.now)


def _require(order: Order | None, order_id: UUID, wanted: str) -> Order:
    if order is not None:
        return order
    standing = find_orders((order_id,))
    if not standing:
        raise OrderNotFound(reference=str(order_id))
    raise OrderStateConflict(order_id=order_id, state=standing[0].state, wanted=wanted)


_EFFECTS: Mapping[Phase, Callable[[Change], None]] = {
    Phase.RESERVING: _create,
    Phase.AUTHORIZING: _reserved,
    Phase.CONFIRMING: _ask_shopper,
    Phase.COMPLETING: _confirm,
    Phase.PLACED: _confirm,
    Phase.UNDOING: _cancelling,
    Phase.FAILED: _cancelled,
}
