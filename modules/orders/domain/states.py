"""The transition tables of an order, its payment, its fulfilment and its returns."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from modules.orders.contract import FulfilmentState, OrderPaymentState, OrderState

S, P, F = OrderState, OrderPaymentState, FulfilmentState

# The straight way is PENDING .. CLOSED. Steps may be passed over: payment and shipping tell of
# themselves independently, so "shipped" can be heard before "captured".
ORDER: Mapping[OrderState, frozenset[OrderState]] = {
    S.DRAFT: frozenset({S.PENDING, S.CANCELLED}),
    S.PENDING: frozenset({S.RESERVED, S.CANCELLING}),
    S.RESERVED: frozenset({S.AUTHORIZED, S.CANCELLING, S.NEEDS_REVIEW}),
    S.AUTHORIZED: frozenset({S.CONFIRMED, S.CANCELLING, S.NEEDS_REVIEW}),
    S.CONFIRMED: frozenset({S.CAPTURED, S.SHIPPED, S.DELIVERED, S.CANCELLING, S.NEEDS_REVIEW}),
    S.CAPTURED: frozenset({S.SHIPPED, S.DELIVERED, S.CANCELLING, S.REFUNDING, S.NEEDS_REVIEW}),
    S.SHIPPED: frozenset({S.DELIVERED, S.REFUNDING, S.NEEDS_REVIEW}),
    S.DELIVERED: frozenset({S.CLOSED, S.REFUNDING, S.NEEDS_REVIEW}),
    S.CLOSED: frozenset({S.REFUNDING, S.NEEDS_REVIEW}),
    # Back to where it stood when shipping says that the goods have left.
    S.CANCELLING: frozenset(
        {S.CANCELLED, S.CONFIRMED, S.CAPTURED, S.SHIPPED, S.DELIVERED, S.NEEDS_REVIEW}
    ),
    S.CANCELLED: frozenset(),
    S.REFUNDING: frozenset({S.REFUNDED, S.NEEDS_REVIEW}),
    S.REFUNDED: frozenset(),
    S.NEEDS_REVIEW: frozenset(
        {
            S.CONFIRMED,
            S.CAPTURED,
            S.SHIPPED,
            S.DELIVERED,
            S.CLOSED,
            S.CANCELLING,
            S.CANCELLED,
            S.REFUNDING,
            S.REFUNDED,
        }
    ),
}

PAYMENT: Mapping[OrderPaymentState, frozenset[OrderPaymentState]] = {
    P.UNPAID: frozenset({P.AUTHORIZED, P.PAID, P.FAILED, P.VOIDED, P.REFUNDED}),
    P.AUTHORIZED: frozenset({P.PAID, P.VOIDED, P.FAILED, P.PARTIALLY_REFUNDED, P.REFUNDED}),
    P.PAID: frozenset({P.PARTIALLY_REFUNDED, P.REFUNDED}),
    P.PARTIALLY_REFUNDED: frozenset({P.REFUNDED}),
    P.REFUNDED: frozenset(),
    P.VOIDED: frozenset(),
    P.FAILED: frozenset({P.AUTHORIZED, P.PAID, P.VOIDED, P.REFUNDED}),
}

FULFILMENT: Mapping[FulfilmentState, frozenset[FulfilmentState]] = {
    F.UNFULFILLED: frozenset({F.PARTIALLY_SHIPPED, F.SHIPPED, F.DELIVERED, F.CANCELLED}),
    F.PARTIALLY_SHIPPED: frozenset({F.SHIPPED, F.DELIVERED, F.RETURNED}),
    F.SHIPPED: frozenset({F.DELIVERED, F.RETURNED}),
    F.DELIVERED: frozenset({F.RETURNED}),
    F.RETURNED: frozenset(),
    F.CANCELLED: frozenset(),
}


class ReturnState(StrEnum):
    """Where a return stands: asked for, goods back, money back."""

    REQUESTED = "requested"
    RECEIVED = "received"
    REFUNDED = "refunded"
    REJECTED = "rejected"


RETURN: Mapping[ReturnState, frozenset[ReturnState]] = {
    ReturnState.REQUESTED: frozenset({ReturnState.RECEIVED, ReturnState.REJECTED}),
    ReturnState.RECEIVED: frozenset({ReturnState.REFUNDED}),
    ReturnState.REFUNDED: frozenset(),
    ReturnState.REJECTED: frozenset(),
}

# An order in one of these is still being placed: its saga, not the order, is told to stop.
BEING_PLACED = frozenset({S.PENDING, S.RESERVED, S.AUTHORIZED})
STANDING = frozenset({S.CONFIRMED, S.CAPTURED, S.SHIPPED, S.DELIVERED, S.CLOSED})
CANCELLABLE = frozenset({S.CONFIRMED, S.CAPTURED, S.NEEDS_REVIEW})
RETURNABLE = frozenset({S.SHIPPED, S.DELIVERED, S.CLOSED})
DEAD = frozenset({S.CANCELLED, S.CANCELLING, S.REFUNDED, S.REFUNDING})
# These leave their cart to another order: a failed order's refund must not keep the shopper
# from trying again.
CART_IS_FREE = frozenset({S.CANCELLED, S.CANCELLING, S.NEEDS_REVIEW})


def sources_of(target: OrderState) -> frozenset[OrderState]:
    """The states from which an order may become ``target``."""
    return frozenset(state for state, targets in ORDER.items() if target in targets)


def standing_state(payment: OrderPaymentState, fulfilment: FulfilmentState) -> OrderState:
    """Where an order that stands is, as its payment and fulfilment have it."""
    match fulfilment:
        case F.DELIVERED | F.RETURNED:
            return S.DELIVERED
        case F.SHIPPED:
            return S.SHIPPED
        case _:
            paid = payment in (P.PAID, P.PARTIALLY_REFUNDED, P.REFUNDED)
            return S.CAPTURED if paid else S.CONFIRMED


def progressed(
    state: OrderState, payment: OrderPaymentState, fulfilment: FulfilmentState
) -> OrderState:
    """The order's state after its payment or fulfilment moved; it never goes back by itself."""
    if state not in STANDING:
        return state
    target = standing_state(payment, fulfilment)
    return target if target in ORDER[state] else state


def payment_after(present: OrderPaymentState, wanted: OrderPaymentState) -> OrderPaymentState:
    """``wanted`` where the table allows it, else ``present``: events may come twice or late."""
    return wanted if wanted in PAYMENT[present] else present


def fulfilment_after(present: FulfilmentState, wanted: FulfilmentState) -> FulfilmentState:
    """``wanted`` where the table allows it, else ``present``."""
    return wanted if wanted in FULFILMENT[present] else present
