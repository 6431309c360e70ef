"""What other modules may ask of inventory."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from modules.inventory.contract.commands import (
    AllocateStock,
    ReleaseStock,
    ReserveStock,
    RestockReturn,
    SetStock,
)
from modules.inventory.contract.types import Availability, Reservation


class Inventory(Protocol):
    """Stock on hand, promised and shipped."""

    def availability(self, *, skus: tuple[str, ...]) -> tuple[Availability, ...]:
        """One entry for each of ``skus`` that is known, in any order. At most 500 a call."""
        ...

    def reserve(self, command: ReserveStock) -> Reservation:
        """Raises InsufficientStock (with every shortage) or UnknownSku; then nothing is held.

        Reserving again for the same order gives the reservation that stands. Raises
        ReservationMismatch when it is of other lines, ReservationClosed when it has ended.
        """
        ...

    def allocate(self, command: AllocateStock) -> Reservation:
        """Raises ReservationNotFound, ReservationClosed; InsufficientStock and UnknownSku when
        ``lines`` are to be set aside anew and cannot be.
        """
        ...

    def release(self, command: ReleaseStock) -> None:
        """Idempotent by nature; raises ReservationClosed once the goods have left."""
        ...

    def restock(self, command: RestockReturn) -> None:
        """Put returned goods back on hand. Raises UnknownWarehouse."""
        ...

    def set_stock(self, command: SetStock) -> int:
        """How many levels changed. Unknown SKUs and warehouses are created.

        May count less than is promised: the difference is kept as a shortfall for people to
        resolve, and nothing more is promised meanwhile.
        """
        ...

    def reservation(self, *, order_id: UUID) -> Reservation:
        """Raises ReservationNotFound."""
        ...
