"""Shipping's declaration."""

from __future__ import annotations

from modules.inventory.contract import StockAllocated
from modules.orders.contract import (
    OrderCancelled,
    OrderConfirmed,
    OrderNeedsReview,
    OrderReviewed,
)
from modules.platform.contracts import Module
from modules.shipping.contract import (
    ShipmentCancelled,
    ShipmentDelivered,
    ShipmentDispatched,
    Shipping,
)

MODULE = Module(
    name="shipping",
    purpose="Say what delivery costs and when it arrives, and get parcels to people.",
    owner="team-fulfilment",
    port=Shipping,
    publishes=(ShipmentCancelled, ShipmentDelivered, ShipmentDispatched),
    consumes=(OrderCancelled, OrderConfirmed, OrderNeedsReview, OrderReviewed, StockAllocated),
    extractable=True,
)
