"""What inventory does when it hears of orders and shipments: it notes the news.

A batch of events is one transaction; acting here would lock stock in the events' order and
deadlock with buyers. ``inventory.settle_notices`` acts on each note in a transaction of its own.
Cancelled lines are no news here: orders has them released before it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connections

from modules.inventory.contract import StockLine
from modules.inventory.domain import NoticeKind
from modules.inventory.service.notices import note
from modules.orders.contract import (
    OrderCancelled,
    OrderConfirmed,
    OrderFailed,
)
from modules.platform.contracts import Event
from modules.platform.databases import alias_of
from modules.platform.messaging import after_commit
from modules.shipping.contract import ShipmentDispatched


def allocate_on_confirmed(event: OrderConfirmed) -> None:
    lines = [StockLine(sku=line.sku, quantity=line.quantity) for line in event.lines]
    _keep(event.order_id, NoticeKind.CONFIRMED, lines)


def dispatch_on_dispatched(event: ShipmentDispatched) -> None:
    lines = [StockLine(sku=line.sku, quantity=line.quantity) for line in event.lines]
    _keep(event.order_id, NoticeKind.DISPATCHED, lines)


def release_on_over(event: OrderCancelled | OrderFailed) -> None:
    _keep(event.order_id, NoticeKind.CANCELLED, [])


def _keep(order_id: UUID, kind: NoticeKind, lines: Sequence[StockLine]) -> None:
    note(order_id, kind, lines, now=datetime.now(UTC))
    _settle_soon()


def _settle_soon() -> None:
    from modules.inventory.tasks import settle_notices

    # One task settles all that a batch noted.
    calls = [entry[1] for entry in connections[alias_of("inventory")].run_on_commit]
    if not any(settle_notices in getattr(call, "args", ()) for call in calls):
        after_commit("inventory", settle_notices)


HANDLERS: Mapping[type[Event], Sequence[Callable[[Any], None]]] = {
    OrderConfirmed: [allocate_on_confirmed],
    OrderCancelled: [release_on_over],
    OrderFailed: [release_on_over],
    ShipmentDispatched: [dispatch_on_dispatched],
}
