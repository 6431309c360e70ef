"""What other modules may ask of orders."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from modules.orders.contract.types import Order


class Orders(Protocol):
    """What was sold, and where each sale stands."""

    def orders(self, *, ids: tuple[UUID, ...]) -> tuple[Order, ...]:
        """Those of ``ids`` that exist, in any order. At most 500 a call."""
        ...
