"""Holding stock for orders: reserve, allocate, dispatch, give back, expire.

Functions work in the transaction that is open. Locks are taken in the order reservation, then
stock by SKU.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from modules.inventory.contract import (
    InsufficientStock,
    Pick,
    Reservation,
    ReservationClosed,
    ReservationExpired,
    ReservationMismatch,
    ReservationState,
    ReserveStock,
    StockAllocated,
    UnknownSku,
)
from modules.inventory.domain import (
    MAIN,
    Change,
    HeldLine,
    MovementKind,
    Place,
    Shelf,
    choose,
    ended,
    shortages,
    unplanned,
    wanted,
)
from modules.inventory.service import ledger
from modules.inventory.service.holds import (
    Held,
    add_lines,
    claim,
    find,
    mark,
    mark_lines,
    stock_lines,
)
from modules.platform.messaging import publish

OPEN = (ReservationState.HELD, ReservationState.ALLOCATED)


def reserve(command: ReserveStock, *, now: datetime) -> Reservation:
    """Hold all lines or raise; an order that has a reservation gets that one."""
    want = wanted(command.lines)
    reservation_id = claim(
        command.order_id,
        key=command.idempotency_key,
        state=ReservationState.HELD,
        expires_at=command.expires_at,
        now=now,
    )
    if reservation_id is None:
        return _standing(command, want)
    _take(reservation_id, command.order_id, want, now=now)
    return Reservation(
        id=reservation_id,
        order_id=command.order_id,
        state=ReservationState.HELD,
        lines=stock_lines(want),
        expires_at=command.expires_at,
    )


def take_again(held: Held, want: dict[str, int], *, now: datetime) -> None:
    """Hold ``want`` for an order whose hold had run out. Raises InsufficientStock, UnknownSku."""
    _take(held.id, held.order_id, want, now=now)
    mark(held, ReservationState.HELD, now=now)


def allocate(held: Held, *, now: datetime) -> Reservation:
    """Make a held reservation firm; one that is firm or sent already stays as it is."""
    if held.state is not ReservationState.HELD:
        return held.as_reservation()
    parts = held.outstanding()
    shelves = ledger.lock(line.sku for line, _ in parts)
    places = _by_place(shelves)
    changes = [
        Change(
            shelf=places[line.sku, line.warehouse_id],
            kind=MovementKind.ALLOCATE,
            reserved=-quantity,
            allocated=quantity,
            order_id=held.order_id,
        )
        for line, quantity in parts
    ]
    ledger.write(shelves, changes, now=now)
    mark(held, ReservationState.ALLOCATED, now=now)
    if any(change.shelf.warehouse != MAIN for change in changes):
        publish(_allocated(held, changes))
    return held.as_reservation(ReservationState.ALLOCATED)


def release(held: Held, *, reason: str, now: datetime, only: dict[str, int] | None = None) -> None:
    """Give back what is outstanding, or ``only`` so many of some SKUs."""
    parts = held.outstanding() if only is None else held.some(only)
    _give_back(
        [(held, line, quantity) for line, quantity in parts], MovementKind.RELEASE, now, reason
    )
    left = sum(q for _, q in held.outstanding()) - sum(q for _, q in parts)
    if held.state in OPEN and not left:
        mark(held, ended(held.lines), now=now, reason=reason)


def expire(helds: Sequence[Held], *, now: datetime) -> None:
    """Give back holds that ran out, many in one go, and say so."""
    parts = [(held, line, quantity) for held in helds for line, quantity in held.outstanding()]
    _give_back(parts, MovementKind.EXPIRE, now, "")
    for held in helds:
        mark(held, ReservationState.EXPIRED, now=now)
    publish(
        *(
            ReservationExpired(order_id=held.order_id, lines=stock_lines(held.kept()))
            for held in helds
        )
    )


def dispatch(order_id: UUID, held: Held | None, want: dict[str, int], *, now: datetime) -> None:
    """The goods have left: take them off the shelves they were set aside on.

    Goods that the books did not know of were evidently there and are entered as found; goods
    that were not set aside for the order come off the first shelves that have them free.
    """
    parts = held.some(want) if held else []
    shelves = ledger.lock(want)
    places = _by_place(shelves)
    changes: list[Change] = []
    for line, quantity in parts:
        bucket = {held.bucket: -quantity} if held else {}
        changes += _leave(order_id, places[line.sku, line.warehouse_id], quantity, bucket)
    sent: dict[str, int] = {}
    for line, quantity in parts:
        sent[line.sku] = sent.get(line.sku, 0) + quantity
    for shelf, quantity in unplanned(want, sent, shelves):
        changes += _leave(order_id, shelf, quantity, {})
    ledger.write(shelves, changes, now=now)
    mark_lines((line.id, 0, quantity) for line, quantity in parts)
    if held and held.state in OPEN and sum(sent.values()) == sum(q for _, q in held.outstanding()):
        mark(held, ReservationState.DISPATCHED, now=now)


def _take(reservation_id: UUID, order_id: UUID, want: dict[str, int], *, now: datetime) -> None:
    shelves = ledger.lock(want)
    known = {shelf.sku for shelf in shelves}
    for sku in want:
        if sku not in known:
            raise UnknownSku(sku=sku)
    if lacking := shortages(want, shelves):
        raise InsufficientStock(shortages=lacking)
    takes = choose(want, shelves)
    changes = [
        Change(shelf=shelf, kind=MovementKind.RESERVE, reserved=quantity, order_id=order_id)
        for shelf, quantity in takes
    ]
    ledger.write(shelves, changes, now=now)
    add_lines(reservation_id, takes)


def _give_back(
    parts: Sequence[tuple[Held, HeldLine, int]], kind: MovementKind, now: datetime, reason: str
) -> None:
    shelves = ledger.lock(line.sku for _, line, _ in parts)
    places = _by_place(shelves)
    changes = [
        Change(
            shelf=places[line.sku, line.warehouse_id],
            kind=kind,
            order_id=held.order_id,
            **{held.bucket: -quantity},
        )
        for held, line, quantity in parts
    ]
    ledger.write(shelves, changes, now=now, reason=reason)
    mark_lines((line.id, quantity, 0) for _, line, quantity in parts)


def _leave(order_id: UUID, shelf: Shelf, quantity: int, bucket: dict[str, int]) -> list[Change]:
    unknown = max(quantity - shelf.on_hand, 0)
    found = Change(shelf=shelf, kind=MovementKind.FOUND, on_hand=unknown, order_id=order_id)
    left = Change(
        shelf=shelf, kind=MovementKind.DISPATCH, on_hand=-quantity, order_id=order_id, **bucket
    )
    return [found, left] if unknown else [left]


def _allocated(held: Held, changes: Sequence[Change]) -> StockAllocated:
    picks = tuple(
        Pick(sku=change.shelf.sku, quantity=change.allocated, warehouse=change.shelf.warehouse)
        for change in changes
    )
    return StockAllocated(order_id=held.order_id, picks=picks)


def _standing(command: ReserveStock, want: dict[str, int]) -> Reservation:
    (held,) = find([command.order_id])
    if held.state in (ReservationState.RELEASED, ReservationState.EXPIRED):
        raise ReservationClosed(order_id=held.order_id, state=held.state)
    if held.idempotency_key != command.idempotency_key and held.kept() != want:
        raise ReservationMismatch(order_id=held.order_id)
    return held.as_reservation()


def _by_place(shelves: Sequence[Shelf]) -> dict[Place, Shelf]:
    return {(shelf.sku, shelf.warehouse_id): shelf for shelf in shelves}
