"""Inventory's declaration."""

from __future__ import annotations

from modules.inventory.contract import (
    AllocationFailed,
    Inventory,
    ReservationExpired,
    StockAllocated,
    StockRanLow,
    StockRanOut,
    StockReturned,
)
from modules.orders.contract import (
    OrderCancelled,
    OrderConfirmed,
    OrderFailed,
)
from modules.platform.contracts import Module
from modules.shipping.contract import ShipmentDispatched

MODULE = Module(
    name="inventory",
    purpose="Know what is on the shelves, promise it once, and account for every piece.",
    owner="team-fulfilment",
    port=Inventory,
    publishes=(
        AllocationFailed,
        ReservationExpired,
        StockAllocated,
        StockRanLow,
        StockRanOut,
        StockReturned,
    ),
    consumes=(
        OrderCancelled,
        OrderConfirmed,
        OrderFailed,
        ShipmentDispatched,
    ),
    extractable=True,
)
