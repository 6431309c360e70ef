"""Writes imported orders with COPY: three streams per batch, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

from django.db import connections

from modules.orders.domain.numbers import new_number
from modules.orders.importing.rows import Basket
from modules.orders.queries import ALIAS
from modules.platform.rest.identifiers import new_id

_PRESENT = "SELECT external_ref FROM orders_order WHERE external_ref = ANY(%s)"
_ORDERS = """
COPY orders_order (id, number, owner, email, locale, source, external_ref, state, payment_state,
    fulfilment_state, failure_code, failure_detail, review_reason, next_action, currency, subtotal,
    discount, shipping, tax, total, refunded, shipping_method, payment_method, shipping_address,
    placed_at, updated_at, version) FROM STDIN
"""
_LINES = """
COPY orders_orderline (order_id, position, sku, product_id, name, quantity, unit_price, discount,
    total, tax, weight_grams) FROM STDIN
"""
_TIMELINE = "COPY orders_timelineentry (order_id, at, kind, detail, actor) FROM STDIN"
_NOWHERE = '{"name": "", "line1": "", "city": "", "country": ""}'
_UNKNOWN = UUID(int=0)  # the file has no product ids


@dataclass(frozen=True, slots=True)
class Written:
    """What a batch came to."""

    orders: int
    lines: int


def present(refs: Sequence[str]) -> set[str]:
    """Those of ``refs`` that were imported before."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_PRESENT, [list(refs)])
        return {row[0] for row in cursor.fetchall()}


def write(baskets: Sequence[Basket], *, currency: str, random: Random) -> Written:
    """Store the orders as CLOSED ones, paid and delivered."""
    orders: list[tuple[Any, ...]] = []
    lines: list[tuple[Any, ...]] = []
    story: list[tuple[Any, ...]] = []
    for basket in baskets:
        order_id = new_id()
        sold = _merged(basket)
        total = sum(price * quantity for (_, price), quantity in sold.items())
        orders.append(_order(order_id, basket, total, currency, random))
        for position, ((sku, price), quantity) in enumerate(sold.items(), start=1):
            amount = price * quantity
            lines.append((order_id, position, sku, _UNKNOWN, sku, quantity, price, 0, amount, 0, 0))
        story.append((order_id, basket.rows[0].ordered_at, "imported", basket.order, "import"))
    for sql, rows in ((_ORDERS, orders), (_LINES, lines), (_TIMELINE, story)):
        _copy(sql, rows)
    return Written(orders=len(orders), lines=len(lines))


def _copy(sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    with connections[ALIAS].cursor() as cursor, cursor.copy(sql) as copy:
        for row in rows:
            copy.write_row(row)


def _merged(basket: Basket) -> dict[tuple[str, int], int]:
    """SKU and price to pieces: a till writes the same article as often as it is scanned."""
    sold: dict[tuple[str, int], int] = {}
    for row in basket.rows:
        key = (row.sku, row.price)
        sold[key] = sold.get(key, 0) + row.quantity
    return sold


def _order(
    order_id: UUID, basket: Basket, total: int, currency: str, random: Random
) -> tuple[Any, ...]:
    first = basket.rows[0]
    email = first.customer.lower() if "@" in first.customer else ""
    return (
        order_id,
        new_number(random.choice),
        _owner(first.customer),
        email,
        "en",
        "import",
        basket.order,
        *("closed", "paid", "delivered", "", "", "", "", currency),
        *(total, 0, 0, 0, total, 0, "", "", _NOWHERE),
        first.ordered_at,
        first.ordered_at,
        1,
    )


def _owner(customer: str) -> str:
    """An account's id is that account's; anything else is a name in the other shop."""
    try:
        return f"customer:{UUID(customer)}"
    except ValueError:
        return f"import:{customer}"
