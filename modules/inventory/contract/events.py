"""What happened to stock."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.inventory.contract.types import Pick, Shortage, StockLine
from modules.platform.contracts import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationExpired(Event):
    """An order's hold ran out and its stock is free again."""

    KEY = "order_id"
    order_id: UUID
    lines: tuple[StockLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StockAllocated(Event):
    """Where a confirmed order's goods are to be picked.

    Said only of orders that are not picked whole in the warehouse ``main``, as all others are.
    """

    KEY = "order_id"
    order_id: UUID
    picks: tuple[Pick, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationFailed(Event):
    """A confirmed order's hold had run out and its stock was sold meanwhile; nothing is held."""

    KEY = "order_id"
    order_id: UUID
    shortages: tuple[Shortage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StockRanLow(Event):
    """A SKU fell to or below its threshold."""

    KEY = "sku"
    sku: str
    available: int
    threshold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StockRanOut(Event):
    """Nothing of a SKU can be promised any more."""

    KEY = "sku"
    sku: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StockReturned(Event):
    """A SKU that had run out can be promised again."""

    KEY = "sku"
    sku: str
    available: int
