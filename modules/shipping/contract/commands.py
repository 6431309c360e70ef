"""What others may tell shipping to do."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Command
from modules.shipping.contract.types import ShipmentLine


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelShipments(Command):
    """Stop what has not left yet; ``lines`` empty means all of the order's."""

    order_id: UUID
    reason: str
    lines: tuple[ShipmentLine, ...] = ()
