"""What others may tell inventory to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from modules.inventory.contract.types import StockLevel, StockLine
from modules.platform.contracts import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveStock(Command):
    """Hold stock for an order until ``expires_at``: all lines or none."""

    order_id: UUID
    lines: tuple[StockLine, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocateStock(Command):
    """Turn the order's reservation into a firm allocation that does not expire.

    ``lines``: what to set aside anew when the reservation has run out; empty: nothing.
    """

    order_id: UUID
    lines: tuple[StockLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseStock(Command):
    """Give the order's reserved or allocated stock back; ``lines`` empty means all of it.

    Releasing what was never reserved, or is released already, is no error.
    """

    order_id: UUID
    reason: str
    lines: tuple[StockLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestockReturn(Command):
    """Put returned goods back on hand."""

    order_id: UUID
    lines: tuple[StockLine, ...]
    warehouse: str = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStock(Command):
    """Set what is on hand, as a stocktake or an import does. At most 1,000 levels a call."""

    levels: tuple[StockLevel, ...]
    reason: str
