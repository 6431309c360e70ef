"""A reservation's rows: read, claimed and marked. Works in the transaction that is open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connections

from modules.inventory.contract import Reservation, ReservationState, StockLine
from modules.inventory.domain import HeldLine, Shelf, spread
from modules.platform.databases import alias_of
from modules.platform.rest.identifiers import new_id

_CLAIM = """
INSERT INTO inventory_reservation
    (id, order_id, idempotency_key, state, is_final, expires_at, created_at, updated_at, reason)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (order_id) DO NOTHING RETURNING id
"""
_READ = """
SELECT id, order_id, idempotency_key, state, is_final, expires_at
FROM inventory_reservation WHERE order_id = ANY(%s) ORDER BY order_id
"""
_READ_LINES = """
SELECT reservation_id, id, sku, warehouse_id, quantity, released, dispatched
FROM inventory_reservationline WHERE reservation_id = ANY(%s) ORDER BY sku, id
"""
_ADD_LINES = """
INSERT INTO inventory_reservationline
    (id, reservation_id, sku, warehouse_id, quantity, released, dispatched)
SELECT l.id, %s, l.sku, l.warehouse_id, l.quantity, 0, 0
FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::bigint[])
    AS l (id, sku, warehouse_id, quantity)
ON CONFLICT (reservation_id, sku, warehouse_id)
    DO UPDATE SET quantity = inventory_reservationline.quantity + excluded.quantity
"""
_MARK_LINES = """
UPDATE inventory_reservationline l SET
    released = l.released + m.released, dispatched = l.dispatched + m.dispatched
FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[]) AS m (id, released, dispatched)
WHERE l.id = m.id
"""
_MARK = """
UPDATE inventory_reservation SET state = %s, is_final = is_final OR %s, updated_at = %s,
    reason = CASE WHEN %s = '' THEN reason ELSE %s END
WHERE id = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A reservation with its lines. ``is_final``: the order is over."""

    id: UUID
    order_id: UUID
    idempotency_key: str
    state: ReservationState
    is_final: bool
    expires_at: datetime
    lines: tuple[HeldLine, ...]

    @property
    def bucket(self) -> str:
        """The counter its outstanding goods are in."""
        return "reserved" if self.state is ReservationState.HELD else "allocated"

    def outstanding(self) -> list[tuple[HeldLine, int]]:
        """Its lines with what is neither given back nor sent."""
        return [(line, line.outstanding) for line in self.lines if line.outstanding]

    def some(self, want: dict[str, int]) -> list[tuple[HeldLine, int]]:
        """Of its outstanding lines so many of some SKUs, or what there is of them."""
        return [
            part
            for sku, quantity in sorted(want.items())
            for part in spread(quantity, [line for line in self.lines if line.sku == sku])
        ]

    def kept(self) -> dict[str, int]:
        """SKU to what is held, allocated or sent."""
        found: dict[str, int] = {}
        for line in self.lines:
            if line.quantity > line.released:
                found[line.sku] = found.get(line.sku, 0) + line.quantity - line.released
        return found

    def as_reservation(self, state: ReservationState | None = None) -> Reservation:
        return Reservation(
            id=self.id,
            order_id=self.order_id,
            state=state or self.state,
            lines=stock_lines(self.kept()),
            expires_at=self.expires_at,
        )


def stock_lines(quantities: dict[str, int]) -> tuple[StockLine, ...]:
    """SKU to quantity as contract lines, in SKU order."""
    return tuple(StockLine(sku=sku, quantity=q) for sku, q in sorted(quantities.items()))


def find(order_ids: Sequence[UUID], *, locked: bool = False) -> list[Held]:
    """The reservations of the orders; ``locked`` until the transaction ends."""
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(_READ + ("FOR UPDATE" if locked else ""), [list(order_ids)])
        heads = cursor.fetchall()
        if not heads:
            return []
        # A statement of its own: its snapshot must be younger than the lock.
        cursor.execute(_READ_LINES, [[head[0] for head in heads]])
        lines: dict[UUID, list[HeldLine]] = {}
        for reservation_id, *rest in cursor.fetchall():
            line = HeldLine(**dict(zip(HeldLine.__slots__, rest, strict=True)))
            lines.setdefault(reservation_id, []).append(line)
    return [_held(head, lines.get(head[0], [])) for head in heads]


def claim(
    order_id: UUID,
    *,
    key: str,
    state: ReservationState,
    expires_at: datetime,
    now: datetime,
    final: bool = False,
    reason: str = "",
) -> UUID | None:
    """Open the order's one reservation; None when it has one.

    Waits for another transaction that is claiming the same order.
    """
    reservation_id = new_id()
    head = (reservation_id, order_id, key[:255], state.value, final)
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(_CLAIM, (*head, expires_at, now, now, reason[:500]))
        return reservation_id if cursor.fetchone() else None


def add_lines(reservation_id: UUID, takes: Sequence[tuple[Shelf, int]]) -> None:
    """Record which shelves the reservation's goods are on."""
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(
            _ADD_LINES,
            [
                reservation_id,
                [new_id() for _ in takes],
                [shelf.sku for shelf, _ in takes],
                [shelf.warehouse_id for shelf, _ in takes],
                [quantity for _, quantity in takes],
            ],
        )


def mark(
    held: Held, state: ReservationState, *, now: datetime, final: bool = False, reason: str = ""
) -> None:
    """Put the reservation into ``state``; ``final`` is never taken back."""
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(_MARK, [state.value, final, now, reason[:500], reason[:500], held.id])


def mark_lines(marks: Iterable[tuple[UUID, int, int]]) -> None:
    """Add to lines (by id) what was released and what was dispatched."""
    columns = [list(column) for column in zip(*marks, strict=True)]
    if columns:
        with connections[alias_of("inventory")].cursor() as cursor:
            cursor.execute(_MARK_LINES, columns)


def _held(head: tuple[object, ...], lines: Sequence[HeldLine]) -> Held:
    reservation_id, order_id, key, state, is_final, expires_at = head
    return Held(
        id=reservation_id,  # type: ignore[arg-type]
        order_id=order_id,  # type: ignore[arg-type]
        idempotency_key=str(key),
        state=ReservationState(str(state)),
        is_final=bool(is_final),
        expires_at=expires_at,  # type: ignore[arg-type]
        lines=tuple(lines),
    )
