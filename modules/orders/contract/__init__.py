"""All that other modules may import of orders."""

from modules.orders.contract.errors import (
    CartBeingOrdered,
    CartOrdered,
    ImportRefused,
    LineNotCancellable,
    NotReturnable,
    OrderNotCancellable,
    OrderNotFound,
    OrdersError,
    OrderStateConflict,
    PlacingCancelled,
    PlacingTimedOut,
    ReturnNotFound,
)
from modules.orders.contract.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderFailed,
    OrderNeedsReview,
    OrderPartiallyCancelled,
    OrderReturned,
    OrderReviewed,
)
from modules.orders.contract.port import Orders
from modules.orders.contract.types import (
    FulfilmentState,
    Order,
    OrderLine,
    OrderPaymentState,
    OrderState,
)

__all__ = [
    "CartBeingOrdered",
    "CartOrdered",
    "FulfilmentState",
    "ImportRefused",
    "LineNotCancellable",
    "NotReturnable",
    "Order",
    "OrderCancelled",
    "OrderConfirmed",
    "OrderFailed",
    "OrderLine",
    "OrderNeedsReview",
    "OrderNotCancellable",
    "OrderNotFound",
    "OrderPartiallyCancelled",
    "OrderPaymentState",
    "OrderReturned",
    "OrderReviewed",
    "OrderState",
    "OrderStateConflict",
    "Orders",
    "OrdersError",
    "PlacingCancelled",
    "PlacingTimedOut",
    "ReturnNotFound",
]
