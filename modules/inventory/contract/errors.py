"""Errors of inventory.

InventoryError
├── InsufficientStock     Conflict
├── ReservationNotFound   NotFound
├── ReservationClosed     Conflict
├── ReservationMismatch   Conflict
├── UnknownSku            NotFound
├── UnknownWarehouse      NotFound
├── WarehouseExists       Conflict
├── TooManyAtOnce         Invalid
└── BadQuantity           Invalid
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.inventory.contract.types import ReservationState, Shortage
from modules.platform.contracts import Conflict, ContractError, Invalid, NotFound


class InventoryError(ContractError):
    """Root of the module's errors."""

    code = "inventory.error"


@dataclass(kw_only=True, eq=False)
class InsufficientStock(InventoryError, Conflict):
    """Not all of it can be promised; nothing was reserved."""

    code = "inventory.insufficient_stock"
    shortages: tuple[Shortage, ...]

    def sentence(self) -> str:
        each = (f"{s.sku}: {s.requested} asked, {s.available} left" for s in self.shortages)
        return f"Not enough stock ({'; '.join(each)})."


@dataclass(kw_only=True, eq=False)
class ReservationNotFound(InventoryError, NotFound):
    """The order has no reservation."""

    code = "inventory.reservation_not_found"
    order_id: UUID

    def sentence(self) -> str:
        return f"Order {self.order_id} has no stock reserved."


@dataclass(kw_only=True, eq=False)
class ReservationClosed(InventoryError, Conflict):
    """The reservation has ended and cannot be used again."""

    code = "inventory.reservation_closed"
    order_id: UUID
    state: ReservationState

    def sentence(self) -> str:
        return f"The reservation of order {self.order_id} is {self.state}."


@dataclass(kw_only=True, eq=False)
class UnknownSku(InventoryError, NotFound):
    """No stock is kept under this SKU."""

    code = "inventory.unknown_sku"
    sku: str

    def sentence(self) -> str:
        return f"No stock is kept of SKU {self.sku}."


@dataclass(kw_only=True, eq=False)
class ReservationMismatch(InventoryError, Conflict):
    """The order has a reservation, of other lines than these."""

    code = "inventory.reservation_mismatch"
    order_id: UUID

    def sentence(self) -> str:
        return f"Order {self.order_id} has other stock reserved already; release that first."


@dataclass(kw_only=True, eq=False)
class UnknownWarehouse(InventoryError, NotFound):
    """No warehouse has this code."""

    code = "inventory.unknown_warehouse"
    warehouse: str

    def sentence(self) -> str:
        return f"There is no warehouse {self.warehouse}."


@dataclass(kw_only=True, eq=False)
class WarehouseExists(InventoryError, Conflict):
    """The code is taken."""

    code = "inventory.warehouse_exists"
    warehouse: str

    def sentence(self) -> str:
        return f"A warehouse {self.warehouse} exists already."


@dataclass(kw_only=True, eq=False)
class TooManyAtOnce(InventoryError, Invalid):
    """More entries than one call may carry."""

    code = "inventory.too_many_at_once"
    given: int
    most: int

    def sentence(self) -> str:
        return f"{self.given} entries were given; one call takes at most {self.most}."


@dataclass(kw_only=True, eq=False)
class BadQuantity(InventoryError, Invalid):
    """A quantity is outside what can be counted."""

    code = "inventory.bad_quantity"
    sku: str
    quantity: int

    def sentence(self) -> str:
        return f"{self.quantity} is not a possible quantity of {self.sku}."
