"""The calls that orders' sagas make. Each may be made again with the same key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import structlog

from modules.cart.contract import (
    BeginCheckout,
    Cart,
    CartLocked,
    CartNotFound,
    CartSnapshot,
    CompleteCheckout,
    ReopenCart,
)
from modules.inventory.contract import Inventory, ReleaseStock, ReserveStock, RestockReturn
from modules.orders.sagas.cancelling import Cancelling
from modules.orders.sagas.placing import RESERVED_FOR, Authorization, Checkout, Placing
from modules.orders.sagas.returning import Returning
from modules.orders.sagas.settling import Settling
from modules.payment.contract import (
    NOT_RECEIVED,
    ActionRequired,
    AuthorizePayment,
    CancelPayment,
    CapturePayment,
    Declined,
    NotCapturable,
    OutcomeUnknown,
    Payment,
    PaymentNotFound,
    PaymentState,
    RefundExceedsCapture,
    RefundPayment,
)
from modules.platform.binding import use
from modules.platform.contracts import Money
from modules.platform.sagas import Call
from modules.platform.sagas.clock import utc_now
from modules.shipping.contract import (
    AlreadyDispatched,
    CancelShipments,
    MethodNotOffered,
    Parcel,
    ShipmentLine,
    Shipping,
    ShippingQuote,
)

log = structlog.get_logger(__name__)


def checkout(call: Call) -> Checkout:
    """Lock and price the cart, and price its delivery."""
    state: Placing = call.state
    assert state.cart_id is not None  # noqa: S101  # drafts do not check out
    snapshot = use(Cart).begin_checkout(
        BeginCheckout(
            idempotency_key=call.key,
            cart_id=state.cart_id,
            order_id=state.order_id,
            owners=state.owners,
        )
    )
    quotes = use(Shipping).quotes(address=state.shipping_address, parcel=parcel_of(snapshot))
    return Checkout(
        snapshot=snapshot,
        quote=choose(quotes, state.shipping_method),
        reserve_until=utc_now() + RESERVED_FOR,
    )


def parcel_of(snapshot: CartSnapshot) -> Parcel:
    """What is to be delivered of a cart."""
    return Parcel(
        weight_grams=sum(line.weight_grams * line.quantity for line in snapshot.lines),
        value=snapshot.total,
        items=sum(line.quantity for line in snapshot.lines),
    )


def choose(quotes: tuple[ShippingQuote, ...], method: str) -> ShippingQuote:
    """The quote of ``method``; without one the cheapest. Raises MethodNotOffered."""
    if not method:
        return min(quotes, key=lambda quote: quote.price.amount)
    found = next((quote for quote in quotes if quote.method == method), None)
    if found is None:
        raise MethodNotOffered(method=method)
    return found


def reserve(call: Call) -> None:
    state: Placing = call.state
    assert state.reserve_until is not None  # noqa: S101  # set before this phase
    use(Inventory).reserve(
        ReserveStock(
            idempotency_key=call.key,
            order_id=state.order_id,
            lines=state.lines,
            expires_at=state.reserve_until,
        )
    )


def authorize(call: Call) -> Authorization:
    state: Placing = call.state
    command = AuthorizePayment(
        idempotency_key=call.key,
        order_id=state.order_id,
        amount=_total(state),
        method=state.payment_method,
        owner=state.owner,
        email=state.email,
    )
    try:
        payment = use(Payment).authorize(command)
    except ActionRequired as required:
        return Authorization(next_action=required.next_action)
    except Declined as declined:
        if declined.decline_code == NOT_RECEIVED:
            return Authorization(received=False)
        raise
    if payment.state is PaymentState.REQUIRES_ACTION:
        return Authorization(next_action=payment.next_action)
    if payment.state in (PaymentState.CREATED, PaymentState.UNKNOWN):
        raise OutcomeUnknown(order_id=state.order_id)
    return Authorization()


def complete_cart(call: Call) -> None:
    state: Placing = call.state
    assert state.cart_id is not None  # noqa: S101
    command = CompleteCheckout(
        idempotency_key=call.key, cart_id=state.cart_id, order_id=state.order_id
    )
    try:
        use(Cart).complete_checkout(command)
    except (CartNotFound, CartLocked) as error:
        # The order stands without its cart: nothing can be sold twice by that.
        log.warning("orders.cart_not_completed", order=str(state.order_id), code=error.code)


def reopen_cart(call: Call) -> None:
    state: Placing = call.state
    assert state.cart_id is not None  # noqa: S101
    use(Cart).reopen(
        ReopenCart(idempotency_key=call.key, cart_id=state.cart_id, order_id=state.order_id)
    )


def release_stock(call: Call) -> None:
    """Give back all of the order's stock."""
    use(Inventory).release(
        ReleaseStock(
            idempotency_key=call.key, order_id=call.state.order_id, reason=_reason(call.state)
        )
    )


def cancel_payment(call: Call) -> None:
    """Give back all of the order's money, however far it got."""
    use(Payment).cancel(
        CancelPayment(
            idempotency_key=call.key, order_id=call.state.order_id, reason=_reason(call.state)
        )
    )


def cancel_and_ask(call: Call) -> int:
    """Give back all of the order's money; how much had been taken, in minor units."""
    cancel_payment(call)
    payments = use(Payment).payments(order_ids=(call.state.order_id,))
    return sum(payment.captured.amount for payment in payments)


def _reason(state: Any) -> str:
    return getattr(state, "reason", "") or getattr(state, "failure_code", "") or "cancelled"


def _total(state: Placing) -> Money:
    assert state.total is not None  # noqa: S101  # set at checkout
    return state.total


PLACING: Mapping[str, Callable[[Call], Any]] = {
    "checkout": checkout,
    "reserve": reserve,
    "authorize": authorize,
    "complete_cart": complete_cart,
    "reopen_cart": reopen_cart,
    "release_stock": release_stock,
    "cancel_payment": cancel_payment,
}


def stop_shipments(call: Call) -> str:
    """Empty when nothing of it will leave; else why the goods cannot be stopped."""
    state: Cancelling = call.state
    command = CancelShipments(
        idempotency_key=call.key,
        order_id=state.order_id,
        reason=state.reason or "cancelled",
        lines=tuple(
            ShipmentLine(sku=line.sku, name=name, quantity=line.quantity)
            for line, name in zip(state.lines, state.names, strict=True)
        ),
    )
    try:
        use(Shipping).cancel(command)
    except AlreadyDispatched as error:
        return error.sentence()
    return ""


def refund_payment(call: Call) -> None:
    """Give ``state.amount`` back. Waits while the money is not captured yet."""
    state: Cancelling | Returning = call.state
    command = RefundPayment(
        idempotency_key=call.key,
        order_id=state.order_id,
        reason=state.reason or "returned",
        amount=state.amount,
    )
    try:
        use(Payment).refund(command)
    except RefundExceedsCapture as error:
        if _is_being_captured(state.order_id):
            # The capture follows the confirmation within seconds: try again, do not give up.
            raise OutcomeUnknown(order_id=state.order_id) from error
        raise


def _is_being_captured(order_id: UUID) -> bool:
    waiting = (PaymentState.AUTHORIZED, PaymentState.UNKNOWN, PaymentState.PARTIALLY_CAPTURED)
    payments = use(Payment).payments(order_ids=(order_id,))
    return any(payment.state in waiting for payment in payments)


def release_lines(call: Call) -> None:
    """Give the stock of the cancelled lines back; of all lines when none is named."""
    state: Cancelling = call.state
    use(Inventory).release(
        ReleaseStock(
            idempotency_key=call.key,
            order_id=state.order_id,
            reason=state.reason or "cancelled",
            lines=state.lines,
        )
    )


def restock(call: Call) -> None:
    """Put what can be sold again back on hand."""
    state: Returning = call.state
    use(Inventory).restock(
        RestockReturn(idempotency_key=call.key, order_id=state.order_id, lines=state.restock)
    )


def capture(call: Call) -> None:
    """Take the money of an order that stands."""
    state: Settling = call.state
    command = CapturePayment(idempotency_key=call.key, order_id=state.order_id)
    try:
        use(Payment).capture(command)
    except (NotCapturable, PaymentNotFound) as error:
        # Captured meanwhile, or given up: payment's own event tells which.
        log.info("orders.not_captured", order=str(state.order_id), code=error.code)


CANCELLING: Mapping[str, Callable[[Call], Any]] = {
    "stop_shipments": stop_shipments,
    "cancel_payment": cancel_and_ask,
    "refund_payment": refund_payment,
    "release_stock": release_lines,
}
RETURNING: Mapping[str, Callable[[Call], Any]] = {
    "refund_payment": refund_payment,
    "restock": restock,
}
SETTLING: Mapping[str, Callable[[Call], Any]] = {
    "cancel_payment": cancel_payment,
    "capture": capture,
}
