"""Drafts: orders that staff put together and place later, with prices that staff decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connections

from modules.inventory.contract import StockLine
from modules.orders.contract import (
    Order,
    OrderLine,
    OrderNotFound,
    OrderState,
    OrderStateConflict,
)
from modules.orders.queries import ALIAS, find_orders, get_order
from modules.orders.sagas.placing import RESERVED_FOR, Phase, Placing
from modules.orders.service.placement import INLINE, Placement, begin, outcome
from modules.orders.writing import Entry, NewOrder, insert_lines, insert_order, lock_order, move
from modules.platform.contracts import Money, PostalAddress, StaleVersion
from modules.platform.contracts.codec import encode
from modules.platform.databases import atomic
from modules.platform.rest.identifiers import new_id
from modules.platform.sagas.clock import Clock, utc_now
from modules.platform.sagas.running import run_inline

_DROP_LINES = "DELETE FROM orders_orderline WHERE order_id = %s"
_REPLACE = """
UPDATE orders_order SET owner = %s, email = %s, locale = %s, subtotal = %s, discount = %s,
    shipping = %s, tax = %s, total = %s, shipping_method = %s, shipping_address = %s,
    billing_address = %s, version = version + 1
WHERE id = %s
"""
_METHOD = "UPDATE orders_order SET payment_method = %s, placed_at = %s WHERE id = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What staff want to sell to whom. Line totals include tax; ``shipping`` is theirs to say."""

    owner: str
    email: str
    locale: str
    lines: tuple[OrderLine, ...]
    shipping: Money
    shipping_method: str
    shipping_address: PostalAddress
    billing_address: PostalAddress | None = None


def create(
    draft: Draft, *, actor: str, order_id: UUID | None = None, clock: Clock = utc_now
) -> Order:
    """Store a draft. ``order_id``: what it is to be; where that is stored already, that one."""
    order_id = order_id or new_id()
    try:
        with atomic("orders"):
            insert_order(_new(order_id, draft, clock), Entry(kind="drafted"), actor=actor)
    except IntegrityError:
        if not find_orders((order_id,)):
            raise
    return get_order(order_id)


def replace(
    order_id: UUID,
    draft: Draft,
    *,
    expected_version: int | None,
    actor: str,
    clock: Clock = utc_now,
) -> Order:
    """Put ``draft`` in the place of what was drafted. Raises OrderNotFound, OrderStateConflict,
    StaleVersion."""
    new = _new(order_id, draft, clock)
    with atomic("orders"):
        _locked_draft(order_id, expected_version, "changing it")
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(_DROP_LINES, [order_id])
            cursor.execute(_REPLACE, [*_values(new), order_id])
        insert_lines(order_id, draft.lines)
        move(order_id, now=clock(), actor=actor, entries=(Entry(kind="draft_changed"),))
    return get_order(order_id)


def discard(order_id: UUID, *, actor: str, clock: Clock = utc_now) -> None:
    """Give the draft up. Raises OrderNotFound, OrderStateConflict."""
    with atomic("orders"):
        _locked_draft(order_id, None, "discarding it")
        entry = Entry(kind="draft_discarded")
        move(order_id, now=clock(), actor=actor, to=OrderState.CANCELLED, entries=(entry,))


def place_draft(
    order_id: UUID, *, payment_method: str, actor: str, clock: Clock = utc_now
) -> Placement:
    """Place the draft: reserve, take payment, confirm, as for any order.

    Raises OrderNotFound, OrderStateConflict, OrderFailure.
    """
    now = clock()
    with atomic("orders"):
        order = _locked_draft(order_id, None, "placing it")
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(_METHOD, [payment_method, now, order_id])
        move(
            order_id,
            now=now,
            actor=actor,
            to=OrderState.PENDING,
            entries=(Entry(kind="placed", detail=f"{len(order.lines)} lines"),),
        )
        saga = begin(_placing(order, payment_method, actor, clock), clock=clock)
    assert saga is not None  # noqa: S101  # only a DRAFT gets here, once
    run = run_inline("orders", saga, within=INLINE, clock=clock)
    return outcome(run, owners=frozenset({order.owner}), clock=clock)


def _placing(order: Order, payment_method: str, actor: str, clock: Clock) -> Placing:
    return Placing(
        phase=Phase.RESERVING,
        order_id=order.id,
        cart_id=None,
        owners=frozenset({order.owner}),
        actor=actor,
        email=order.email,
        locale=order.locale,
        shipping_address=order.shipping_address,
        billing_address=order.billing_address,
        shipping_method=order.shipping_method,
        payment_method=payment_method,
        owner=order.owner,
        lines=tuple(StockLine(sku=line.sku, quantity=line.quantity) for line in order.lines),
        total=order.total,
        reserve_until=clock() + RESERVED_FOR,
    )


def _locked_draft(order_id: UUID, expected_version: int | None, wanted: str) -> Order:
    order = lock_order(order_id)
    if order is None:
        raise OrderNotFound(reference=str(order_id))
    if order.state is not OrderState.DRAFT:
        raise OrderStateConflict(order_id=order_id, state=order.state, wanted=wanted)
    if expected_version is not None and order.version != expected_version:
        raise StaleVersion(expected=expected_version, actual=order.version)
    return order


def _new(order_id: UUID, draft: Draft, clock: Clock) -> NewOrder:
    zero = Money.zero(draft.shipping.currency)
    discount = sum((line.discount for line in draft.lines), zero)
    goods = sum((line.total for line in draft.lines), zero)
    return NewOrder(
        id=order_id,
        owner=draft.owner,
        email=draft.email.strip().lower(),
        locale=draft.locale,
        source="draft",
        cart_id=None,
        state=OrderState.DRAFT,
        lines=draft.lines,
        subtotal=goods + discount,
        discount=discount,
        shipping=draft.shipping,
        tax=sum((line.tax for line in draft.lines), zero),
        total=goods + draft.shipping,
        shipping_method=draft.shipping_method,
        payment_method="",
        shipping_address=draft.shipping_address,
        billing_address=draft.billing_address,
        placed_at=clock(),
    )


def _values(new: NewOrder) -> list[Any]:
    return [
        new.owner,
        new.email,
        new.locale,
        new.subtotal.amount,
        new.discount.amount,
        new.shipping.amount,
        new.tax.amount,
        new.total.amount,
        new.shipping_method,
        encode(new.shipping_address).decode(),
        None if new.billing_address is None else encode(new.billing_address).decode(),
    ]
