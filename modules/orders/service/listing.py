"""Lists of orders: pages by keyset, filtered by index."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from modules.orders.contract import Order, OrderState
from modules.orders.models import Order as OrderRow
from modules.orders.queries import find_orders
from modules.orders.service.claims import belongs_to
from modules.platform.rest.pagination import keyset


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders. ``owners`` None: of everybody; what is empty does not filter."""

    owners: Collection[str] | None
    state: OrderState | None = None
    placed_from: datetime | None = None
    placed_before: datetime | None = None
    number: str = ""
    email: str = ""


def list_orders(
    wanted: OrderFilter, *, cursor: str, limit: int
) -> tuple[list[Order], str | None, str | None]:
    """A page of orders, newest first, and the cursors of the next and the previous one.

    Two statements for any length, a third for a customer's own. Raises Problem 422 for a cursor
    of another list.
    """
    rows = OrderRow.objects.only("id", "placed_at")
    if wanted.owners is not None:
        rows = rows.filter(belongs_to(wanted.owners))
    filters = {
        "state": wanted.state,
        "placed_at__gte": wanted.placed_from,
        "placed_at__lt": wanted.placed_before,
        "number": wanted.number.strip().upper(),
        "email": wanted.email.strip().lower(),
    }
    rows = rows.filter(**{name: value for name, value in filters.items() if value})
    found, after, before = keyset(rows, order=("-placed_at", "-id"), cursor=cursor, limit=limit)
    by_id = {order.id: order for order in find_orders([row.id for row in found])}
    return [by_id[row.id] for row in found if row.id in by_id], after, before
