"""What payment hears of orders, and what it does about it: rows only, tasks do the asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from modules.orders.contract import OrderCancelled, OrderConfirmed, OrderFailed
from modules.payment import claiming
from modules.platform.contracts import Event


def capture_on_confirmed(event: OrderConfirmed) -> None:
    claiming.confirm(event.order_id, total=event.total, now=datetime.now(UTC))


def give_back_on_cancelled(event: OrderCancelled) -> None:
    claiming.give_back(event.order_id, reason=event.reason, now=datetime.now(UTC))


def give_back_on_failed(event: OrderFailed) -> None:
    claiming.give_back(event.order_id, reason=event.failure_code, now=datetime.now(UTC))


HANDLERS: Mapping[type[Event], Sequence[Callable[[Any], None]]] = {
    OrderCancelled: [give_back_on_cancelled],
    OrderConfirmed: [capture_on_confirmed],
    OrderFailed: [give_back_on_failed],
}
