"""What payment is: the declaration from which its boundary is derived and checked."""

from __future__ import annotations

from modules.orders.contract import OrderCancelled, OrderConfirmed, OrderFailed
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

MODULE = Module(
    name="payment",
    purpose="Take money for orders, and give it back.",
    owner="team-payments",
    port=Payment,
    calls=(),
    publishes=(
        CaptureFailed,
        PaymentAuthorized,
        PaymentCaptured,
        PaymentDeclined,
        PaymentRefunded,
        PaymentUnclaimed,
        PaymentVoided,
    ),
    consumes=(OrderCancelled, OrderConfirmed, OrderFailed),
    extractable=True,
)
