"""The declaration of notification: who may call it, what it hears, what it says."""

from __future__ import annotations

from modules.accounts.contract import CustomerRegistered
from modules.notification.contract import MessageFailed, MessageSent, Notification
from modules.orders.contract import (
    OrderCancelled,
    OrderConfirmed,
    OrderFailed,
    OrderPartiallyCancelled,
    OrderReturned,
)
from modules.payment.contract import PaymentRefunded
from modules.platform.contracts import Module
from modules.shipping.contract import ShipmentDispatched

MODULE = Module(
    name="notification",
    purpose="Tell people what happened, once.",
    owner="team-messages",
    port=Notification,
    publishes=(MessageSent, MessageFailed),
    consumes=(
        CustomerRegistered,
        OrderConfirmed,
        OrderCancelled,
        OrderPartiallyCancelled,
        OrderFailed,
        OrderReturned,
        PaymentRefunded,
        ShipmentDispatched,
    ),
    extractable=True,
)
