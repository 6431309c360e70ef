"""Orders' events made from an order."""

from __future__ import annotations

from dataclasses import replace

from modules.orders.contract import (
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderFailed,
    OrderLine,
    OrderNeedsReview,
    OrderPartiallyCancelled,
    OrderReturned,
    OrderReviewed,
)
from modules.platform.contracts import Money


def confirmed(order: Order) -> OrderConfirmed:
    return OrderConfirmed(
        order_id=order.id,
        number=order.number,
        owner=order.owner,
        email=order.email,
        locale=order.locale,
        lines=order.lines,
        subtotal=order.subtotal,
        discount=order.discount,
        shipping=order.shipping,
        tax=order.tax,
        total=order.total,
        shipping_method=order.shipping_method,
        shipping_address=order.shipping_address,
        placed_at=order.placed_at,
    )


def failed(order: Order) -> OrderFailed:
    return OrderFailed(
        order_id=order.id,
        number=order.number,
        owner=order.owner,
        email=order.email,
        locale=order.locale,
        failure_code=order.failure_code,
    )


def cancelled(order: Order, *, reason: str, refunded: Money) -> OrderCancelled:
    return OrderCancelled(
        order_id=order.id,
        number=order.number,
        owner=order.owner,
        email=order.email,
        locale=order.locale,
        reason=reason,
        refunded=refunded,
    )


def partially_cancelled(
    order: Order, *, lines: tuple[OrderLine, ...], refunded: Money
) -> OrderPartiallyCancelled:
    return OrderPartiallyCancelled(
        order_id=order.id,
        number=order.number,
        owner=order.owner,
        email=order.email,
        locale=order.locale,
        lines=lines,
        refunded=refunded,
    )


def returned(order: Order, *, lines: tuple[OrderLine, ...], refunded: Money) -> OrderReturned:
    return OrderReturned(
        order_id=order.id,
        number=order.number,
        owner=order.owner,
        email=order.email,
        locale=order.locale,
        lines=lines,
        refunded=refunded,
    )


def needs_review(order: Order, *, reason: str) -> OrderNeedsReview:
    return OrderNeedsReview(order_id=order.id, number=order.number, reason=reason)


def reviewed(order: Order) -> OrderReviewed:
    return OrderReviewed(order_id=order.id, number=order.number)


def lines_with(order: Order, quantities: dict[str, int]) -> tuple[OrderLine, ...]:
    """The named lines of the order, ``quantity`` being how many of them the event is about."""
    return tuple(
        replace(line, quantity=quantities[line.sku])
        for line in order.lines
        if line.sku in quantities
    )
