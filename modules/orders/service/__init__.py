"""The port's implementation and the use cases of orders."""

from __future__ import annotations

from uuid import UUID

from modules.orders.contract import Order
from modules.orders.queries import find_orders

LIMIT = 500  # ids a call; the contract says so


class OrdersService:
    """Answers the port ``Orders``."""

    def orders(self, *, ids: tuple[UUID, ...]) -> tuple[Order, ...]:
        """Those of ``ids`` that exist, in any order. Beyond 500 ids the rest is not looked at."""
        return find_orders(ids[:LIMIT])
