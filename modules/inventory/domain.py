"""Inventory's rules, without a database: where a line comes from and what a change means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from modules.inventory.contract import (
    BadQuantity,
    ReservationState,
    Shortage,
    StockLine,
    StockRanLow,
    StockRanOut,
    StockReturned,
)

MAIN = "main"  # the warehouse that everybody means who names none
MAX_QUANTITY = 1_000_000_000  # of one SKU in one place; beyond it somebody mistyped
Place = tuple[str, UUID]  # SKU, warehouse id


class MovementKind(StrEnum):
    """Why counters changed."""

    RESERVE = "reserve"
    ALLOCATE = "allocate"
    RELEASE = "release"
    EXPIRE = "expire"
    DISPATCH = "dispatch"
    RESTOCK = "restock"
    COUNT = "count"
    ADJUST = "adjust"
    TRANSFER = "transfer"
    FOUND = "found"  # sent although the books said it was not there


class NoticeKind(StrEnum):
    """What inventory hears of an order."""

    CONFIRMED = "confirmed"
    DISPATCHED = "dispatched"
    CANCELLED = "cancelled"  # all of it; the order is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A stock row as it is locked: one SKU in one warehouse.

    ``version`` grows with each change of the row or of its warehouse.
    """

    stock_id: UUID
    sku: str
    warehouse_id: UUID
    warehouse: str
    priority: int
    active: bool
    on_hand: int
    reserved: int
    allocated: int
    shortfall: int
    backorderable: bool
    low_threshold: int
    version: int

    @property
    def promised(self) -> int:
        return self.reserved + self.allocated

    @property
    def free(self) -> int:
        """What can be promised; 0 where the warehouse is closed."""
        return max(self.on_hand - self.promised, 0) if self.active else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to one shelf."""

    shelf: Shelf
    kind: MovementKind
    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    order_id: UUID | None = None

    @property
    def freed(self) -> int:
        return self.on_hand - self.reserved - self.allocated


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLine:
    """A reservation's line. ``outstanding`` is what is neither given back nor sent."""

    id: UUID
    sku: str
    warehouse_id: UUID
    quantity: int
    released: int
    dispatched: int

    @property
    def outstanding(self) -> int:
        return self.quantity - self.released - self.dispatched


def wanted(lines: Iterable[StockLine]) -> dict[str, int]:
    """SKU to quantity, repeated SKUs added up. Raises BadQuantity."""
    found: dict[str, int] = {}
    for line in lines:
        total = found.get(line.sku, 0) + line.quantity
        if line.quantity < 1 or total > MAX_QUANTITY:
            raise BadQuantity(sku=line.sku, quantity=line.quantity)
        found[line.sku] = total
    return found


def shortages(want: Mapping[str, int], shelves: Sequence[Shelf]) -> tuple[Shortage, ...]:
    """Each SKU of which more is wanted than can be promised; empty when all can be."""
    free: dict[str, int] = {}
    endless = set()
    for shelf in shelves:
        free[shelf.sku] = free.get(shelf.sku, 0) + shelf.free
        if shelf.backorderable and shelf.active:
            endless.add(shelf.sku)
    return tuple(
        Shortage(sku=sku, requested=quantity, available=free.get(sku, 0))
        for sku, quantity in sorted(want.items())
        if sku not in endless and quantity > free.get(sku, 0)
    )


def choose(want: Mapping[str, int], shelves: Sequence[Shelf]) -> list[tuple[Shelf, int]]:
    """From which shelves to take what is wanted; the caller has seen that it can be had.

    One warehouse for the whole order if one has it all (one parcel), else one per line, else the
    line is split. Warehouses are asked by priority; what is on no shelf is a backorder at the
    first that takes one.
    """
    by_sku: dict[str, list[Shelf]] = {sku: [] for sku in want}
    for shelf in sorted(shelves, key=lambda shelf: (shelf.priority, shelf.warehouse)):
        if shelf.active and shelf.sku in by_sku:
            by_sku[shelf.sku].append(shelf)
    single = _one_for_all(want, by_sku)
    return [
        take
        for sku, quantity in sorted(want.items())
        for take in _for_one_line(quantity, by_sku[sku], single)
    ]


def _one_for_all(want: Mapping[str, int], by_sku: Mapping[str, Sequence[Shelf]]) -> UUID | None:
    candidates: dict[UUID, int] = {}
    for sku, quantity in want.items():
        for shelf in by_sku[sku]:
            if shelf.free >= quantity:
                candidates[shelf.warehouse_id] = candidates.get(shelf.warehouse_id, 0) + 1
    # Insertion order is by priority, as the shelves of the first SKU are.
    return next((place for place, lines in candidates.items() if lines == len(want)), None)


def _for_one_line(
    quantity: int, shelves: Sequence[Shelf], preferred: UUID | None
) -> Iterable[tuple[Shelf, int]]:
    whole = [shelf for shelf in shelves if shelf.free >= quantity]
    for shelf in whole:
        if preferred in (None, shelf.warehouse_id):
            return [(shelf, quantity)]
    return _split(quantity, shelves)


def _split(quantity: int, shelves: Sequence[Shelf]) -> Iterable[tuple[Shelf, int]]:
    takes: dict[UUID, tuple[Shelf, int]] = {}
    for shelf in shelves:
        part = min(shelf.free, quantity)
        if part:
            takes[shelf.stock_id] = (shelf, part)
            quantity -= part
    if quantity:
        last = next(shelf for shelf in shelves if shelf.backorderable)
        _, taken = takes.get(last.stock_id, (last, 0))
        takes[last.stock_id] = (last, taken + quantity)
    return takes.values()


def spread(quantity: int, lines: Sequence[HeldLine]) -> Iterable[tuple[HeldLine, int]]:
    """``quantity`` (or what there is of it) over the outstanding parts of one SKU's lines."""
    for line in lines:
        part = min(line.outstanding, quantity)
        if part > 0:
            quantity -= part
            yield line, part


def unplanned(
    want: Mapping[str, int], sent: Mapping[str, int], shelves: Sequence[Shelf]
) -> Iterable[tuple[Shelf, int]]:
    """Shelves for what left without being set aside: free goods by priority, the rest at the first.

    SKUs of which no stock is kept are passed over.
    """
    in_order = sorted(shelves, key=lambda shelf: (shelf.priority, shelf.warehouse))
    for sku, quantity in sorted(want.items()):
        own = [shelf for shelf in in_order if shelf.sku == sku]
        rest = quantity - sent.get(sku, 0)
        takes = {shelf.stock_id: 0 for shelf in own}
        for shelf in own:
            takes[shelf.stock_id] = part = min(shelf.free, rest)
            rest -= part
        if own:
            takes[own[0].stock_id] += rest
        yield from ((shelf, takes[shelf.stock_id]) for shelf in own if takes[shelf.stock_id])


def sku_events(
    sku: str, *, before: int, after: int, threshold: int, backorderable: bool
) -> list[StockRanLow | StockRanOut | StockReturned]:
    """What followers must hear when what can be promised of a SKU goes from one to the other."""
    events: list[StockRanLow | StockRanOut | StockReturned] = []
    if before > threshold >= after and threshold > 0:
        events.append(StockRanLow(sku=sku, available=after, threshold=threshold))
    if backorderable:
        return events
    if before > 0 >= after:
        events.append(StockRanOut(sku=sku))
    if before <= 0 < after:
        events.append(StockReturned(sku=sku, available=after))
    return events


def ended(lines: Sequence[HeldLine]) -> ReservationState:
    """The state of a reservation of which nothing is outstanding."""
    sent = any(line.dispatched for line in lines)
    return ReservationState.DISPATCHED if sent else ReservationState.RELEASED
