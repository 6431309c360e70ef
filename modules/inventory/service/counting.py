"""Changes that people and imports make: set, adjust, count, transfer, restock, configure.

Functions work in the transaction that is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F

from modules.inventory.contract import (
    BadQuantity,
    InsufficientStock,
    RestockReturn,
    SetStock,
    Shortage,
    StockLine,
    StockRanOut,
    StockReturned,
    TooManyAtOnce,
    UnknownSku,
)
from modules.inventory.domain import MAX_QUANTITY, Change, MovementKind, Place, Shelf, wanted
from modules.inventory.models import Stock
from modules.inventory.service import ledger, warehouses
from modules.platform.contracts import StaleVersion
from modules.platform.messaging import publish
from modules.platform.rest.identifiers import new_id

MOST = 1_000  # levels a call; one statement each for making, locking and writing them


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One line of a finished stocktake. ``difference`` is counted - booked."""

    sku: str
    booked: int
    counted: int
    difference: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stocktake:
    """A finished stocktake of one warehouse: its differences."""

    id: UUID
    warehouse: str
    lines: tuple[Counted, ...]


def set_levels(command: SetStock, *, now: datetime) -> int:
    """Put what is on hand at the given levels; how many changed."""
    levels = {(level.sku, level.warehouse): level for level in command.levels}
    if len(command.levels) > MOST:
        raise TooManyAtOnce(given=len(command.levels), most=MOST)
    for level in levels.values():
        _check(level.sku, level.on_hand)
    places = warehouses.made(level.warehouse for level in levels.values())
    target = {(level.sku, places[level.warehouse]): level.on_hand for level in levels.values()}
    ledger.fill(target, now=now)
    shelves = ledger.lock(sku for sku, _ in target)
    changes = _to_levels(shelves, target, MovementKind.COUNT)
    ledger.write(
        shelves, changes, now=now, reason=command.reason, document_id=new_id(), counted=True
    )
    return len(changes)


def restock(command: RestockReturn, *, now: datetime) -> None:
    """Put returned goods on the warehouse's shelves. Raises UnknownWarehouse."""
    want = wanted(command.lines)
    (place,) = warehouses.ids_of([command.warehouse]).values()
    ledger.fill([(sku, place) for sku in want], now=now)
    shelves = ledger.lock(want)
    changes = [
        Change(
            shelf=shelf,
            kind=MovementKind.RESTOCK,
            on_hand=want[shelf.sku],
            order_id=command.order_id,
        )
        for shelf in shelves
        if shelf.warehouse_id == place
    ]
    ledger.write(shelves, changes, now=now, reason="returned")


def adjust(*, sku: str, warehouse: str, delta: int, reason: str, now: datetime) -> int:
    """Add ``delta`` (negative: take away) to what is on hand; what is there then.

    Raises UnknownWarehouse, UnknownSku, and BadQuantity when less than nothing would remain.
    """
    (place,) = warehouses.ids_of([warehouse]).values()
    shelves = ledger.lock([sku])
    shelf = _at(shelves, sku, place)
    _check(sku, shelf.on_hand + delta)
    change = Change(shelf=shelf, kind=MovementKind.ADJUST, on_hand=delta)
    ledger.write(shelves, [change] if delta else [], now=now, reason=reason, counted=True)
    return shelf.on_hand + delta


def count(*, warehouse: str, counts: Sequence[StockLine], reason: str, now: datetime) -> Stocktake:
    """Book what was counted. A count of 0 is fine. Raises UnknownWarehouse, TooManyAtOnce."""
    if len(counts) > MOST:
        raise TooManyAtOnce(given=len(counts), most=MOST)
    (place,) = warehouses.ids_of([warehouse]).values()
    target: dict[Place, int] = {(line.sku, place): line.quantity for line in counts}
    for line in counts:
        _check(line.sku, line.quantity)
    document = new_id()
    ledger.fill(target, now=now)
    shelves = ledger.lock(sku for sku, _ in target)
    changes = _to_levels(shelves, target, MovementKind.COUNT)
    ledger.write(shelves, changes, now=now, reason=reason, document_id=document, counted=True)
    return Stocktake(id=document, warehouse=warehouse, lines=tuple(_report(shelves, target)))


def transfer(
    *, source: str, target: str, lines: Sequence[StockLine], reason: str, now: datetime
) -> UUID:
    """Move free goods from one warehouse to another: all lines or none; the document's id.

    Raises UnknownWarehouse, UnknownSku, InsufficientStock.
    """
    want = wanted(lines)
    places = warehouses.ids_of([source, target])
    document = new_id()
    ledger.fill([(sku, places[target]) for sku in want], now=now)
    shelves = ledger.lock(want)
    sources = [_at(shelves, sku, places[source]) for sku in sorted(want)]
    lacking = [_lack(shelf, want) for shelf in sources if _movable(shelf) < want[shelf.sku]]
    if lacking:
        raise InsufficientStock(shortages=tuple(lacking))
    changes = [
        Change(shelf=shelf, kind=MovementKind.TRANSFER, on_hand=sign * want[shelf.sku])
        for sign, place in ((-1, places[source]), (1, places[target]))
        for shelf in shelves
        if shelf.warehouse_id == place and source != target
    ]
    ledger.write(shelves, changes, now=now, reason=reason, document_id=document)
    return document


def configure(
    *,
    sku: str,
    now: datetime,
    expected_version: int | None = None,
    backorderable: bool | None = None,
    low_threshold: int | None = None,
) -> None:
    """Change the SKU's settings in all warehouses. Raises UnknownSku, StaleVersion."""
    shelves = locked(sku, expected_version)
    fields: dict[str, object] = {}
    if low_threshold is not None:
        fields["low_threshold"] = low_threshold
    for shelf in shelves:
        if backorderable is not None:
            excess = max(shelf.promised - shelf.on_hand, 0)
            fields["shortfall"] = 0 if backorderable else excess
            fields["backorderable"] = backorderable
        if fields:
            Stock.objects.filter(id=shelf.stock_id).update(
                **fields, version=F("version") + 1, updated_at=now
            )
    if backorderable is not None:
        _tell_backorders(shelves, backorderable)


def locked(sku: str, expected_version: int | None) -> list[Shelf]:
    """The SKU's rows, locked, at the version expected. Raises UnknownSku, StaleVersion."""
    shelves = ledger.lock([sku])
    if not shelves:
        raise UnknownSku(sku=sku)
    version = sum(shelf.version for shelf in shelves)
    if expected_version is not None and version != expected_version:
        raise StaleVersion(expected=expected_version, actual=version)
    return shelves


def _tell_backorders(shelves: Sequence[Shelf], backorderable: bool) -> None:
    free = sum(shelf.free for shelf in shelves)
    before = any(shelf.backorderable and shelf.active for shelf in shelves)
    if free or before == backorderable:
        return
    sku = shelves[0].sku
    publish(StockReturned(sku=sku, available=0) if backorderable else StockRanOut(sku=sku))


def _to_levels(
    shelves: Sequence[Shelf], target: dict[Place, int], kind: MovementKind
) -> list[Change]:
    changes = []
    for shelf in shelves:
        level = target.get((shelf.sku, shelf.warehouse_id), shelf.on_hand)
        if level != shelf.on_hand:
            changes.append(Change(shelf=shelf, kind=kind, on_hand=level - shelf.on_hand))
    return changes


def _report(shelves: Sequence[Shelf], target: dict[Place, int]) -> Iterable[Counted]:
    for shelf in shelves:
        counted = target.get((shelf.sku, shelf.warehouse_id))
        if counted is not None:
            yield Counted(
                sku=shelf.sku,
                booked=shelf.on_hand,
                counted=counted,
                difference=counted - shelf.on_hand,
            )


def _at(shelves: Sequence[Shelf], sku: str, place: UUID) -> Shelf:
    for shelf in shelves:
        if shelf.sku == sku and shelf.warehouse_id == place:
            return shelf
    raise UnknownSku(sku=sku)


def _movable(shelf: Shelf) -> int:
    return max(shelf.on_hand - shelf.promised, 0)


def _lack(shelf: Shelf, want: dict[str, int]) -> Shortage:
    return Shortage(sku=shelf.sku, requested=want[shelf.sku], available=_movable(shelf))


def _check(sku: str, quantity: int) -> None:
    if not 0 <= quantity <= MAX_QUANTITY or not 0 < len(sku) <= 64:
        raise BadQuantity(sku=sku[:64], quantity=quantity)
