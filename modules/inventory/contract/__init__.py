"""All that other modules may import of inventory."""

from modules.inventory.contract.commands import (
    AllocateStock,
    ReleaseStock,
    ReserveStock,
    RestockReturn,
    SetStock,
)
from modules.inventory.contract.errors import (
    BadQuantity,
    InsufficientStock,
    InventoryError,
    ReservationClosed,
    ReservationMismatch,
    ReservationNotFound,
    TooManyAtOnce,
    UnknownSku,
    UnknownWarehouse,
    WarehouseExists,
)
from modules.inventory.contract.events import (
    AllocationFailed,
    ReservationExpired,
    StockAllocated,
    StockRanLow,
    StockRanOut,
    StockReturned,
)
from modules.inventory.contract.port import Inventory
from modules.inventory.contract.types import (
    Availability,
    Pick,
    Reservation,
    ReservationState,
    Shortage,
    StockLevel,
    StockLine,
)

__all__ = [
    "AllocateStock",
    "AllocationFailed",
    "Availability",
    "BadQuantity",
    "InsufficientStock",
    "Inventory",
    "InventoryError",
    "Pick",
    "ReleaseStock",
    "Reservation",
    "ReservationClosed",
    "ReservationExpired",
    "ReservationMismatch",
    "ReservationNotFound",
    "ReservationState",
    "ReserveStock",
    "RestockReturn",
    "SetStock",
    "Shortage",
    "StockAllocated",
    "StockLevel",
    "StockLine",
    "StockRanLow",
    "StockRanOut",
    "StockReturned",
    "TooManyAtOnce",
    "UnknownSku",
    "UnknownWarehouse",
    "WarehouseExists",
]
