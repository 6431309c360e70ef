"""What shipping does when it hears of orders and of where their goods are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from modules.inventory.contract import StockAllocated
from modules.orders.contract import (
    OrderCancelled,
    OrderConfirmed,
    OrderNeedsReview,
    OrderReviewed,
)
from modules.platform.contracts import Event
from modules.shipping.contract import ShipmentLine
from modules.shipping.service import cancelling, holding, opening, tariff


def open_on_confirmed(event: OrderConfirmed) -> None:
    now = datetime.now(UTC)
    known = tariff.current()
    pick_on = known.pick_day(now)
    opening.open_shipment(
        order_id=event.order_id,
        order_number=event.number,
        owner=event.owner,
        method=event.shipping_method,
        address=event.shipping_address,
        lines=[
            ShipmentLine(sku=line.sku, name=line.name, quantity=line.quantity)
            for line in event.lines
        ],
        pick_on=pick_on,
        promised_by=known.promised_by(event.shipping_method, event.shipping_address, pick_on),
        now=now,
    )


def cancel_on_cancelled(event: OrderCancelled) -> None:
    cancelling.cancel_all(event.order_id, reason=event.reason, now=datetime.now(UTC))
    holding.take_off_hold(event.order_id)


def hold_on_flagged(event: OrderNeedsReview) -> None:
    holding.put_on_hold(event.order_id, reason=event.reason, now=datetime.now(UTC))


def go_on_when_reviewed(event: OrderReviewed) -> None:
    holding.take_off_hold(event.order_id)


def assign_on_allocated(event: StockAllocated) -> None:
    opening.assign(event.order_id, event.picks, now=datetime.now(UTC))


HANDLERS: Mapping[type[Event], Sequence[Callable[[Any], None]]] = {
    OrderConfirmed: [open_on_confirmed],
    OrderCancelled: [cancel_on_cancelled],
    OrderNeedsReview: [hold_on_flagged],
    OrderReviewed: [go_on_when_reviewed],
    StockAllocated: [assign_on_allocated],
}
