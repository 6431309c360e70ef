"""Writes of orders: one statement per change, the timeline's entry in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import SystemRandom
from typing import Any
from uuid import UUID

from django.db import connections

from modules.inventory.contract import StockLine
from modules.orders.contract import (
    FulfilmentState,
    Order,
    OrderLine,
    OrderPaymentState,
    OrderState,
)
from modules.orders.domain.numbers import new_number
from modules.orders.domain.states import sources_of
from modules.orders.queries import ALIAS, COLUMNS, read_order
from modules.platform.contracts import Money, PostalAddress
from modules.platform.contracts.codec import encode

_random = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry for the timeline."""

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """All that is stored of a new order."""

    id: UUID
    owner: str
    email: str
    locale: str
    source: str
    cart_id: UUID | None
    state: OrderState
    lines: tuple[OrderLine, ...]
    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money
    total: Money
    shipping_method: str
    payment_method: str
    shipping_address: PostalAddress
    billing_address: PostalAddress | None
    placed_at: datetime


_INSERT = """
WITH new_order AS (
    INSERT INTO orders_order (id, number, owner, email, locale, source, cart_id, state,
        payment_state, fulfilment_state, failure_code, failure_detail, review_reason, next_action,
        currency, subtotal, discount, shipping, tax, total, refunded, shipping_method,
        payment_method, shipping_address, billing_address, placed_at, version)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'unpaid', 'unfulfilled', '', '', '', '', %s, %s, %s,
        %s, %s, %s, 0, %s, %s, %s, %s, %s, 1)
), told AS (
    INSERT INTO orders_timelineentry (order_id, at, kind, detail, actor)
    VALUES (%s, %s, %s, %s, %s)
)
"""
_LINES = """
INSERT INTO orders_orderline (order_id, position, sku, product_id, name, quantity, unit_price,
    discount, total, tax, weight_grams)
SELECT %s, ordinality, sku, product_id, name, quantity, unit_price, discount, total, tax, weight
FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::int[], %s::bigint[], %s::bigint[],
            %s::bigint[], %s::bigint[], %s::bigint[])
     WITH ORDINALITY AS l (sku, product_id, name, quantity, unit_price, discount, total, tax,
                           weight, ordinality)
"""

_MOVE = f"""
WITH o AS (
    UPDATE orders_order SET
        state = coalesce(%(state)s::text, state),
        payment_state = coalesce(%(payment)s::text, payment_state),
        fulfilment_state = coalesce(%(fulfilment)s::text, fulfilment_state),
        failure_code = coalesce(%(failure_code)s::text, failure_code),
        failure_detail = coalesce(%(failure_detail)s::text, failure_detail),
        review_reason = coalesce(%(review_reason)s::text, review_reason),
        next_action = coalesce(%(next_action)s::text, next_action),
        refunded = coalesce(%(refunded)s::bigint, refunded),
        version = version + 1,
        updated_at = %(now)s
    WHERE id = %(id)s AND (%(sources)s::text[] IS NULL OR state = ANY(%(sources)s::text[]))
    RETURNING *
), told AS (
    INSERT INTO orders_timelineentry (order_id, at, kind, detail, actor)
    SELECT o.id, %(now)s, e.kind, e.detail, %(actor)s
    FROM o, unnest(%(kinds)s::text[], %(details)s::text[]) WITH ORDINALITY
              AS e (kind, detail, position)
    ORDER BY e.position
)
SELECT {COLUMNS} FROM o
"""  # noqa: S608
_LOCK = f"SELECT {COLUMNS} FROM orders_order o WHERE o.id = %s FOR UPDATE"  # noqa: S608
_TELL = """
INSERT INTO orders_timelineentry (order_id, at, kind, detail, actor) VALUES (%s, %s, %s, %s, %s)
"""
_TOLD = "SELECT 1 FROM orders_timelineentry WHERE order_id = %s AND kind = %s AND detail = %s"


def insert_order(new: NewOrder, entry: Entry, *, actor: str) -> None:
    """Store the order, its lines and its first timeline entry in one statement.

    Raises IntegrityError when the cart has an order, or (1 in 10^9) the number is taken.
    """
    values: list[Any] = [
        new.id,
        new_number(_random.choice),
        new.owner,
        new.email,
        new.locale,
        new.source,
        new.cart_id,
        new.state,
        new.total.currency,
        new.subtotal.amount,
        new.discount.amount,
        new.shipping.amount,
        new.tax.amount,
        new.total.amount,
        new.shipping_method,
        new.payment_method,
        encode(new.shipping_address).decode(),
        None if new.billing_address is None else encode(new.billing_address).decode(),
        new.placed_at,
        *(new.id, new.placed_at, entry.kind, entry.detail, actor),
    ]
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_INSERT + _LINES, [*values, *_line_values(new.id, new.lines)])


def insert_lines(order_id: UUID, lines: Sequence[OrderLine]) -> None:
    """Store the lines of an order that has none."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_LINES, _line_values(order_id, lines))


def move(
    order_id: UUID,
    *,
    now: datetime,
    actor: str,
    to: OrderState | None = None,
    sources: Collection[OrderState] | None = None,
    payment: OrderPaymentState | None = None,
    fulfilment: FulfilmentState | None = None,
    failure: tuple[str, str] | None = None,
    review_reason: str | None = None,
    next_action: str | None = None,
    refunded: int | None = None,
    entries: Sequence[Entry] = (),
) -> Order | None:
    """Change the order if its state allows it; the order after it, None when it does not.

    Without ``sources`` a new state is allowed from where the transition table says. What is None
    stays.
    """
    if to is not None and sources is None:
        sources = sources_of(to)
    code, detail = failure or (None, None)
    values = {
        "id": order_id,
        "state": to,
        "sources": None if sources is None else [str(state) for state in sources],
        "payment": payment,
        "fulfilment": fulfilment,
        "failure_code": code,
        "failure_detail": detail,
        "review_reason": review_reason,
        "next_action": next_action,
        "refunded": refunded,
        "now": now,
        "actor": actor,
        "kinds": [entry.kind for entry in entries],
        "details": [entry.detail[:1000] for entry in entries],
    }
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_MOVE, values)
        row = cursor.fetchone()
    return None if row is None else read_order(row)


def lock_order(order_id: UUID) -> Order | None:
    """The order, locked until the open transaction ends; None when there is none."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_LOCK, [order_id])
        row = cursor.fetchone()
    return None if row is None else read_order(row)


def tell(order_id: UUID, entry: Entry, *, actor: str, now: datetime) -> None:
    """Add an entry to the timeline, and nothing else."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_TELL, [order_id, now, entry.kind, entry.detail[:1000], actor])


def tell_once(order_id: UUID, entry: Entry, *, actor: str, now: datetime) -> None:
    """The same, unless the timeline says so already. The caller lets no two in at once."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_TOLD, [order_id, entry.kind, entry.detail[:1000]])
        if cursor.fetchone() is None:
            tell(order_id, entry, actor=actor, now=now)


def _line_values(order_id: UUID, lines: Sequence[OrderLine]) -> list[Any]:
    return [
        order_id,
        [line.sku for line in lines],
        [line.product_id for line in lines],
        [line.name for line in lines],
        [line.quantity for line in lines],
        [line.unit_price.amount for line in lines],
        [line.discount.amount for line in lines],
        [line.total.amount for line in lines],
        [line.tax.amount for line in lines],
        [line.weight_grams for line in lines],
    ]


_TAKE_LINES = """
UPDATE orders_orderline l SET cancelled = l.cancelled + w.quantity
FROM unnest(%s::text[], %s::int[]) AS w (sku, quantity)
WHERE l.order_id = %s AND l.sku = w.sku
  AND l.quantity - l.cancelled - l.coming_back - l.returned >= w.quantity
"""
_GIVE_LINES = """
UPDATE orders_orderline l SET cancelled = l.cancelled - w.quantity
FROM unnest(%s::text[], %s::int[]) AS w (sku, quantity)
WHERE l.order_id = %s AND l.sku = w.sku
"""
_CANCEL_LINES = """
UPDATE orders_orderline SET cancelled = quantity - coming_back - returned WHERE order_id = %s
"""


def take_lines(order_id: UUID, lines: Sequence[StockLine]) -> bool:
    """Count the quantities as cancelled; False (and nothing to keep) when too few are left."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_TAKE_LINES, _quantities(order_id, lines))
        return bool(cursor.rowcount == len(lines))


def uncancel_lines(order_id: UUID, lines: Sequence[StockLine]) -> None:
    """Count the quantities as not cancelled after all."""
    if lines:
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(_GIVE_LINES, _quantities(order_id, lines))


def cancel_lines(order_id: UUID) -> None:
    """Count all that is left of the order as cancelled."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_CANCEL_LINES, [order_id])


def _quantities(order_id: UUID, lines: Sequence[StockLine]) -> list[Any]:
    return [[line.sku for line in lines], [line.quantity for line in lines], order_id]
