"""The declaration of orders."""

from modules.accounts.contract import EmailVerified
from modules.cart.contract import Cart
from modules.inventory.contract import AllocationFailed, Inventory, ReservationExpired
from modules.notification.contract import Notification
from modules.orders.contract import (
    OrderCancelled,
    OrderConfirmed,
    OrderFailed,
    OrderNeedsReview,
    OrderPartiallyCancelled,
    OrderReturned,
    OrderReviewed,
    Orders,
)
from modules.payment.contract import (
    CaptureFailed,
    Payment,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentUnclaimed,
    PaymentVoided,
)
from modules.platform.contracts import Module
from modules.shipping.contract import (
    ShipmentCancelled,
    ShipmentDelivered,
    ShipmentDispatched,
    Shipping,
)

MODULE = Module(
    name="orders",
    purpose="Sell: turn a cart into an order and see it through.",
    owner="team-orders",
    port=Orders,
    calls=(Cart, Inventory, Notification, Payment, Shipping),
    publishes=(
        OrderCancelled,
        OrderConfirmed,
        OrderFailed,
        OrderNeedsReview,
        OrderPartiallyCancelled,
        OrderReturned,
        OrderReviewed,
    ),
    consumes=(
        AllocationFailed,
        CaptureFailed,
        EmailVerified,
        PaymentAuthorized,
        PaymentCaptured,
        PaymentDeclined,
        PaymentRefunded,
        PaymentUnclaimed,
        PaymentVoided,
        ReservationExpired,
        ShipmentCancelled,
        ShipmentDelivered,
        ShipmentDispatched,
    ),
    extractable=False,
)
