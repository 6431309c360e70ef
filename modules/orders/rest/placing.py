"""How the end of a placement is answered: 201, 202 with where to look, or why not."""

from __future__ import annotations

from collections.abc import Callable

from modules.cart.contract import (
    CartEmpty,
    CartLocked,
    CartNotFound,
    CouponRefused,
    CurrencyMismatch,
    LineNotSellable,
    QuantityLimit,
)
from modules.inventory.contract import (
    BadQuantity,
    InsufficientStock,
    ReservationClosed,
    ReservationMismatch,
    UnknownSku,
)
from modules.orders.contract import (
    CartBeingOrdered,
    CartOrdered,
    OrderStateConflict,
    PlacingCancelled,
    PlacingTimedOut,
)
from modules.orders.rest.serializers import ORDER, order_body
from modules.orders.service.placement import OrderFailure, Placement
from modules.payment.contract import (
    AmountNotPositive,
    Declined,
    OrderAlreadyPaid,
    PaymentMethodUnknown,
)
from modules.platform.contracts import ContractError
from modules.platform.rest.answers import Answer
from modules.platform.rest.problems import FieldError, Problem, status_of
from modules.shipping.contract import MethodNotOffered, NotDeliverable

# What other modules say about an order that cannot be placed; each keeps its own code.
PLACING_ERRORS: tuple[type[ContractError], ...] = (
    AmountNotPositive,
    BadQuantity,
    CartBeingOrdered,
    CartEmpty,
    CartLocked,
    CartNotFound,
    CartOrdered,
    CouponRefused,
    CurrencyMismatch,
    Declined,
    InsufficientStock,
    LineNotSellable,
    MethodNotOffered,
    NotDeliverable,
    OrderAlreadyPaid,
    OrderStateConflict,
    PaymentMethodUnknown,
    PlacingCancelled,
    PlacingTimedOut,
    QuantityLimit,
    ReservationClosed,
    ReservationMismatch,
    UnknownSku,
)
STATUS = {error.code: status_of(error) for error in PLACING_ERRORS}


def placed(place: Callable[[], Placement]) -> Answer:
    """Place, and answer. Raises Problem for an order that failed."""
    try:
        done = place()
    except OrderFailure as failure:
        raise _problem(failure) from failure
    where = f"/api/v1/orders/{ORDER.text(done.order.id)}"
    status = 202 if done.pending else 200 if done.before else 201
    headers = {"Location": where} | ({"Retry-After": str(done.look_again)} if done.pending else {})
    return Answer(
        body=order_body(done.order), status=status, headers=headers, version=done.order.version
    )


def _problem(failure: OrderFailure) -> Problem:
    """As the error itself would be answered; short stock names every line that is short."""
    errors: list[FieldError] = []
    if isinstance(failure.cause, InsufficientStock):
        errors = [
            FieldError(
                pointer=f"/lines/{short.sku}",
                code=failure.code,
                detail=f"{short.requested} asked, {short.available} left",
            )
            for short in failure.cause.shortages
        ]
    headers = {}
    if failure.order_id is not None:
        headers["Location"] = f"/api/v1/orders/{ORDER.text(failure.order_id)}"
    status = STATUS.get(failure.code, 409)
    return Problem(status, failure.code, failure.detail, errors=errors, headers=headers)
