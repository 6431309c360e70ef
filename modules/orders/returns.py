"""Writes and reads of returns: plain SQL on the three tables they touch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connections

from modules.inventory.contract import StockLine
from modules.orders.domain.states import ReturnState
from modules.orders.queries import ALIAS


class ReturnedLine(msgspec.Struct, frozen=True, kw_only=True):
    """So many of one SKU on their way back; ``accepted`` is what was taken in."""

    sku: str
    quantity: int
    accepted: int


class GoodsReturn(msgspec.Struct, frozen=True, kw_only=True):
    """A return. ``amount`` is in minor units of the order's currency."""

    id: UUID
    order_id: UUID
    state: ReturnState
    reason: str
    amount: int
    lines: tuple[ReturnedLine, ...]
    created_at: datetime
    version: int


_SELECT = """
SELECT r.id, r.order_id, r.state, r.reason, r.amount, r.created_at, r.version,
       (SELECT json_agg(json_build_object('sku', l.sku, 'quantity', l.quantity,
                                          'accepted', l.accepted) ORDER BY l.id)
        FROM orders_returnline l WHERE l.goods_return_id = r.id)::text
FROM orders_return r
"""
_INSERT = """
WITH new_return AS (
    INSERT INTO orders_return (id, order_id, state, reason, amount, created_at, updated_at, version)
    VALUES (%s, %s, 'requested', %s, 0, %s, %s, 1)
)
INSERT INTO orders_returnline (goods_return_id, sku, quantity)
SELECT %s, sku, quantity FROM unnest(%s::text[], %s::int[]) AS w (sku, quantity)
"""
_HOLD = """
UPDATE orders_orderline l SET coming_back = l.coming_back + w.quantity
FROM unnest(%s::text[], %s::int[]) AS w (sku, quantity)
WHERE l.order_id = %s AND l.sku = w.sku
  AND l.quantity - l.cancelled - l.coming_back - l.returned >= w.quantity
"""
_LET_GO = """
UPDATE orders_orderline l SET coming_back = l.coming_back - r.quantity
FROM orders_returnline r
WHERE r.goods_return_id = %s AND l.order_id = %s AND l.sku = r.sku
"""
_ACCEPT = """
UPDATE orders_returnline r SET accepted = w.quantity
FROM unnest(%s::text[], %s::int[]) AS w (sku, quantity)
WHERE r.goods_return_id = %s AND r.sku = w.sku AND r.quantity >= w.quantity
"""
_MOVE = """
UPDATE orders_return SET state = %s, amount = coalesce(%s::bigint, amount),
    reason = coalesce(%s::text, reason), updated_at = %s, version = version + 1
WHERE id = %s AND state = ANY(%s)
"""
# What was accepted has come back; what was announced and not accepted stays with the shopper.
_FINISH = """
UPDATE orders_orderline l SET coming_back = l.coming_back - r.quantity,
    returned = l.returned + r.accepted
FROM orders_returnline r
WHERE r.goods_return_id = %s AND l.order_id = %s AND l.sku = r.sku
RETURNING l.sku, r.accepted
"""
_lines = msgspec.json.Decoder(tuple[ReturnedLine, ...])


def insert_return(
    return_id: UUID, order_id: UUID, reason: str, lines: Sequence[StockLine], now: datetime
) -> bool:
    """Store a return and hold its quantities; False when too few are left of a line."""
    skus, quantities = [line.sku for line in lines], [line.quantity for line in lines]
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_HOLD, [skus, quantities, order_id])
        if cursor.rowcount != len(lines):
            return False
        cursor.execute(
            _INSERT, [return_id, order_id, reason, now, now, return_id, skus, quantities]
        )
    return True


def move_return(
    return_id: UUID,
    *,
    to: ReturnState,
    sources: Sequence[ReturnState],
    now: datetime,
    amount: int | None = None,
    reason: str | None = None,
) -> bool:
    """Change the return's state, if it is one of ``sources``."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_MOVE, [to, amount, reason, now, return_id, [str(s) for s in sources]])
        return bool(cursor.rowcount)


def accept_lines(return_id: UUID, lines: Sequence[StockLine]) -> bool:
    """Note what was taken in; False when it is more than was announced."""
    skus, quantities = [line.sku for line in lines], [line.quantity for line in lines]
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_ACCEPT, [skus, quantities, return_id])
        return bool(cursor.rowcount == len(lines))


def let_go(return_id: UUID, order_id: UUID) -> None:
    """The announced goods stay with the shopper."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_LET_GO, [return_id, order_id])


def finish_return(return_id: UUID, order_id: UUID, *, now: datetime) -> dict[str, int]:
    """Money and goods are back: SKU to the accepted quantity."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_FINISH, [return_id, order_id])
        accepted = {sku: count for sku, count in cursor.fetchall() if count}
    move_return(return_id, to=ReturnState.REFUNDED, sources=(ReturnState.RECEIVED,), now=now)
    return accepted


def find_returns(order_id: UUID) -> list[GoodsReturn]:
    """The order's returns, oldest first."""
    return _read(f"{_SELECT} WHERE r.order_id = %s ORDER BY r.created_at, r.id", [order_id])


def lock_return(order_id: UUID, return_id: UUID) -> GoodsReturn | None:
    """The return, locked until the open transaction ends."""
    sql = f"{_SELECT} WHERE r.order_id = %s AND r.id = %s FOR UPDATE OF r"
    return next(iter(_read(sql, [order_id, return_id])), None)


def _read(sql: str, parameters: Sequence[Any]) -> list[GoodsReturn]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, parameters)
        return [
            GoodsReturn(
                id=row[0],
                order_id=row[1],
                state=ReturnState(row[2]),
                reason=row[3],
                amount=row[4],
                created_at=row[5],
                version=row[6],
                lines=_lines.decode(row[7]) if row[7] else (),
            )
            for row in cursor.fetchall()
        ]
