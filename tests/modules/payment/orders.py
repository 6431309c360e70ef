"""Events of orders, as payment hears them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from modules.orders.contract import OrderCancelled, OrderConfirmed, OrderFailed
from modules.platform.contracts import PostalAddress
from tests.modules.payment.records import eur

WHO = {
    "number": "1001",
    "owner": "customer:1",
    "email": "ann@example.com",
    "locale": "en",
}


def confirmed(order_id: UUID, total: int = 10_000) -> OrderConfirmed:
    return OrderConfirmed(
        **WHO,
        order_id=order_id,
        lines=(),
        subtotal=eur(total),
        discount=eur(0),
        shipping=eur(0),
        tax=eur(0),
        total=eur(total),
        shipping_method="post",
        shipping_address=PostalAddress(name="Ann", line1="1 Road", city="Graz", country="AT"),
        placed_at=datetime.now(UTC),
    )


def cancelled(order_id: UUID) -> OrderCancelled:
    return OrderCancelled(**WHO, order_id=order_id, reason="changed her mind", refunded=eur(0))


def failed(order_id: UUID) -> OrderFailed:
    return OrderFailed(**WHO, order_id=order_id, failure_code="inventory.out_of_stock")
