"""Inventory's use cases, each one transaction; ``InventoryService`` answers the port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from modules.inventory import queries
from modules.inventory.contract import (
    AllocateStock,
    Availability,
    ReleaseStock,
    Reservation,
    ReservationClosed,
    ReservationNotFound,
    ReservationState,
    ReserveStock,
    RestockReturn,
    SetStock,
    StockLine,
)
from modules.inventory.domain import wanted
from modules.inventory.service import counting, holds, notices, reservations
from modules.inventory.service.counting import Stocktake
from modules.inventory.service.idempotency import once
from modules.platform.databases import atomic

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class InventoryService:
    """Answers the port, and the use cases of the module's own REST and admin pages."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self.now = clock

    def availability(self, *, skus: tuple[str, ...]) -> tuple[Availability, ...]:
        return queries.availability(skus)

    def reservation(self, *, order_id: UUID) -> Reservation:
        return queries.reservation(order_id)

    def reserve(self, command: ReserveStock) -> Reservation:
        with atomic("inventory"):
            return reservations.reserve(command, now=self.now())

    def allocate(self, command: AllocateStock) -> Reservation:
        with atomic("inventory"):
            for held in holds.find([command.order_id], locked=True):
                return reservations.allocate(self._open(held, command), now=self.now())
        raise ReservationNotFound(order_id=command.order_id)

    def release(self, command: ReleaseStock) -> None:
        with atomic("inventory"):
            if not command.lines:
                self._release_all(command)
                return
            run = partial(self._release_some, command)
            once("release", command.idempotency_key, run, answer=type(None), now=self.now())

    def restock(self, command: RestockReturn) -> None:
        now = self.now()
        run = partial(counting.restock, command, now=now)
        with atomic("inventory"):
            once("restock", command.idempotency_key, run, answer=type(None), now=now)

    def set_stock(self, command: SetStock) -> int:
        now = self.now()
        run = partial(counting.set_levels, command, now=now)
        with atomic("inventory"):
            return once("set", command.idempotency_key, run, answer=int, now=now)

    def adjust(
        self, *, sku: str, warehouse: str, delta: int, reason: str, idempotency_key: str
    ) -> int:
        """Add ``delta`` to what is on hand; what is there then."""
        now = self.now()
        run = partial(
            counting.adjust, sku=sku, warehouse=warehouse, delta=delta, reason=reason, now=now
        )
        with atomic("inventory"):
            return once("adjust", idempotency_key, run, answer=int, now=now)

    def count(
        self, *, warehouse: str, counts: Sequence[StockLine], reason: str, idempotency_key: str
    ) -> Stocktake:
        """Book a stocktake of some SKUs in one warehouse."""
        now = self.now()
        run = partial(counting.count, warehouse=warehouse, counts=counts, reason=reason, now=now)
        with atomic("inventory"):
            return once("count", idempotency_key, run, answer=Stocktake, now=now)

    def transfer(
        self,
        *,
        source: str,
        target: str,
        lines: Sequence[StockLine],
        reason: str,
        idempotency_key: str,
    ) -> UUID:
        """Move free goods between two warehouses; the document's id."""
        now = self.now()
        run = partial(
            counting.transfer, source=source, target=target, lines=lines, reason=reason, now=now
        )
        with atomic("inventory"):
            return once("transfer", idempotency_key, run, answer=UUID, now=now)

    def change_sku(
        self,
        *,
        sku: str,
        expected_version: int | None,
        reason: str,
        warehouse: str = "main",
        on_hand: int | None = None,
        backorderable: bool | None = None,
        low_threshold: int | None = None,
    ) -> None:
        """Set what is on hand in a warehouse, or the SKU's settings, if nobody was faster."""
        now = self.now()
        with atomic("inventory"):
            counting.configure(
                sku=sku,
                now=now,
                expected_version=expected_version,
                backorderable=backorderable,
                low_threshold=low_threshold,
            )
            if on_hand is not None:
                line = StockLine(sku=sku, quantity=on_hand)
                counting.count(warehouse=warehouse, counts=[line], reason=reason, now=now)

    def _open(self, held: holds.Held, command: AllocateStock) -> holds.Held:
        """The reservation, held again if it had run out and the command says of what."""
        if held.state not in (ReservationState.RELEASED, ReservationState.EXPIRED):
            return held
        if held.state is ReservationState.RELEASED or held.is_final or not command.lines:
            raise ReservationClosed(order_id=command.order_id, state=held.state)
        reservations.take_again(held, wanted(command.lines), now=self.now())
        (again,) = holds.find([command.order_id], locked=True)
        return again

    def _release_all(self, command: ReleaseStock) -> None:
        now = self.now()
        if notices.bury(command.order_id, reason=command.reason, now=now):
            return
        (held,) = holds.find([command.order_id], locked=True)
        if held.state is ReservationState.DISPATCHED:
            raise ReservationClosed(order_id=command.order_id, state=held.state)
        reservations.release(held, reason=command.reason, now=now)

    def _release_some(self, command: ReleaseStock) -> None:
        for held in holds.find([command.order_id], locked=True):
            if held.state is ReservationState.DISPATCHED:
                raise ReservationClosed(order_id=command.order_id, state=held.state)
            reservations.release(
                held, reason=command.reason, now=self.now(), only=wanted(command.lines)
            )
