"""Errors of orders.

OrdersError
├── OrderNotFound         NotFound
├── OrderNotCancellable   Conflict
├── LineNotCancellable    Conflict
├── NotReturnable         Conflict
├── OrderStateConflict    Conflict
├── CartBeingOrdered      Conflict     by another request, at this moment
├── CartOrdered           Conflict     another order stands for it
├── PlacingCancelled      Conflict     somebody cancelled it before it stood
├── PlacingTimedOut       Conflict     a module did not answer in time; all was given back
├── ReturnNotFound        NotFound
└── ImportRefused         Invalid
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.orders.contract.types import OrderState
from modules.platform.contracts import Conflict, ContractError, Invalid, NotFound


class OrdersError(ContractError):
    """Root of the module's errors."""

    code = "orders.error"


@dataclass(kw_only=True, eq=False)
class OrderNotFound(OrdersError, NotFound):
    """No such order, or it is somebody else's."""

    code = "orders.not_found"
    reference: str

    def sentence(self) -> str:
        return f"There is no order {self.reference}."


@dataclass(kw_only=True, eq=False)
class OrderNotCancellable(OrdersError, Conflict):
    """Too late to cancel."""

    code = "orders.not_cancellable"
    order_id: UUID
    state: OrderState

    def sentence(self) -> str:
        return f"The order is {self.state} and can no longer be cancelled."


@dataclass(kw_only=True, eq=False)
class LineNotCancellable(OrdersError, Conflict):
    """More than is left of the line."""

    code = "orders.line_not_cancellable"
    sku: str
    requested: int
    left: int

    def sentence(self) -> str:
        return f"{self.requested} of SKU {self.sku} cannot be cancelled; {self.left} left."


@dataclass(kw_only=True, eq=False)
class NotReturnable(OrdersError, Conflict):
    """Not delivered yet, or more than was delivered."""

    code = "orders.not_returnable"
    sku: str
    reason: str

    def sentence(self) -> str:
        return f"SKU {self.sku} cannot be returned: {self.reason}."


@dataclass(kw_only=True, eq=False)
class OrderStateConflict(OrdersError, Conflict):
    """The order's state does not allow this step."""

    code = "orders.state_conflict"
    order_id: UUID
    state: OrderState
    wanted: str

    def sentence(self) -> str:
        return f"The order is {self.state}; {self.wanted} is not possible now."


@dataclass(kw_only=True, eq=False)
class CartBeingOrdered(OrdersError, Conflict):
    """Another request is placing an order for this cart, or is giving back a failed one."""

    code = "orders.cart_being_ordered"
    retryable = True
    cart_id: UUID

    def sentence(self) -> str:
        return "The cart is being ordered by another request; ask again in a moment."


@dataclass(kw_only=True, eq=False)
class CartOrdered(OrdersError, Conflict):
    """Another order stands for the cart."""

    code = "orders.cart_ordered"
    cart_id: UUID

    def sentence(self) -> str:
        return "Another order stands for the cart."


class PlacingCancelled(OrdersError, Conflict):
    """The order was cancelled while it was being placed."""

    code = "orders.cancelled"

    def sentence(self) -> str:
        return "The order was cancelled while it was being placed."


class PlacingTimedOut(OrdersError, Conflict):
    """The order could not be placed in time; all was given back."""

    code = "orders.timed_out"

    def sentence(self) -> str:
        return "The order could not be placed in time; order again."


@dataclass(kw_only=True, eq=False)
class ReturnNotFound(OrdersError, NotFound):
    """The order has no such return."""

    code = "orders.return_not_found"
    return_id: UUID

    def sentence(self) -> str:
        return "The order has no such return."


@dataclass(kw_only=True, eq=False)
class ImportRefused(OrdersError, Invalid):
    """A file of historic orders cannot be read at all."""

    code = "orders.import_refused"
    path: str
    reason: str

    def sentence(self) -> str:
        return f"{self.path} cannot be imported: {self.reason}."
