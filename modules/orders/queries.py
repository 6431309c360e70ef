"""Reads of orders as contract types: one statement, lines included."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connections

from modules.orders.contract import (
    FulfilmentState,
    Order,
    OrderLine,
    OrderNotFound,
    OrderPaymentState,
    OrderState,
)
from modules.platform.contracts import Money, PostalAddress

ALIAS = "orders"

# Of a row ``o`` of orders_order; ``read_order`` takes them in this order.
COLUMNS = """
o.id, o.number, o.owner, o.email, o.cart_id, o.state, o.payment_state, o.fulfilment_state,
o.failure_code, o.failure_detail, o.currency, o.subtotal, o.discount, o.shipping, o.tax, o.total,
o.shipping_method, o.payment_method, o.shipping_address::text, o.billing_address::text,
o.next_action, o.placed_at, o.version, o.locale, o.refunded,
(SELECT json_agg(json_build_array(l.sku, l.product_id, l.name, l.quantity, l.unit_price,
                                  l.discount, l.total, l.tax, l.weight_grams, l.cancelled,
                                  l.returned) ORDER BY l.position)
 FROM orders_orderline l WHERE l.order_id = o.id)::text
"""
_BY_IDS = f"SELECT {COLUMNS} FROM orders_order o WHERE o.id = ANY(%s)"  # noqa: S608
_TIMELINE = """
SELECT kind, detail, actor, at FROM orders_timelineentry WHERE order_id = %s ORDER BY id
"""

_LineRow = tuple[str, UUID, str, int, int, int, int, int, int, int, int]
_lines = msgspec.json.Decoder(list[_LineRow])
_address = msgspec.json.Decoder(PostalAddress)


class TimelineRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an order."""

    kind: str
    detail: str
    actor: str
    at: datetime


def find_orders(order_ids: Sequence[UUID]) -> tuple[Order, ...]:
    """Those of ``order_ids`` that exist, in any order."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_BY_IDS, [list(order_ids)])
        return tuple(read_order(row) for row in cursor.fetchall())


def get_order(order_id: UUID) -> Order:
    """Raises OrderNotFound."""
    found = find_orders((order_id,))
    if not found:
        raise OrderNotFound(reference=str(order_id))
    return found[0]


def timeline(order_id: UUID) -> list[TimelineRow]:
    """What happened to the order, oldest first."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_TIMELINE, [order_id])
        return [
            TimelineRow(kind=kind, detail=detail, actor=actor, at=at)
            for kind, detail, actor, at in cursor.fetchall()
        ]


def read_order(row: Sequence[Any]) -> Order:
    """A row of COLUMNS as an Order."""
    currency = row[10]
    subtotal, discount, shipping, tax, total = (
        Money(amount=amount, currency=currency) for amount in row[11:16]
    )
    return Order(
        id=row[0],
        number=row[1],
        owner=row[2],
        email=row[3],
        cart_id=row[4],
        state=OrderState(row[5]),
        payment_state=OrderPaymentState(row[6]),
        fulfilment_state=FulfilmentState(row[7]),
        failure_code=row[8],
        failure_detail=row[9],
        lines=read_lines(row[25], currency),
        subtotal=subtotal,
        discount=discount,
        shipping=shipping,
        tax=tax,
        total=total,
        shipping_method=row[16],
        payment_method=row[17],
        shipping_address=_address.decode(row[18]),
        billing_address=None if row[19] is None else _address.decode(row[19]),
        next_action=row[20],
        placed_at=row[21],
        version=row[22],
        locale=row[23],
        refunded=row[24],
    )


def read_lines(data: str | None, currency: str) -> tuple[OrderLine, ...]:
    """The lines as COLUMNS aggregates them."""
    if data is None:
        return ()
    return tuple(
        OrderLine(
            sku=sku,
            product_id=product_id,
            name=name,
            quantity=quantity,
            unit_price=Money(amount=unit_price, currency=currency),
            discount=Money(amount=discount, currency=currency),
            total=Money(amount=total, currency=currency),
            tax=Money(amount=tax, currency=currency),
            weight_grams=weight,
            cancelled=cancelled,
            returned=returned,
        )
        for (
            sku,
            product_id,
            name,
            quantity,
            unit_price,
            discount,
            total,
            tax,
            weight,
            cancelled,
            returned,
        ) in _lines.decode(data)
    )
