"""Carts as rows: one SQL statement each, because every shopper's click pays for it.

Changes are compare-and-swap on the version: a statement that changes nothing lost a race, and
its caller reads again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections

from modules.cart.domain import CartState
from modules.platform.databases import alias_of

_READ = """
SELECT c.id, c.owner, c.state, c.currency, c.coupons, c.order_id, c.merged_into, c.snapshot,
       c.version, c.created_at, c.updated_at, l.sku, l.quantity, l.seen_amount
FROM cart_cart c LEFT JOIN cart_line l ON l.cart_id = c.id
WHERE c.id = %s ORDER BY l.id
"""
_CREATE = """
INSERT INTO cart_cart (id, owner, state, currency, coupons, snapshot, version, created_at,
                       updated_at)
VALUES (%s, %s, 'open', '', '{}', '', 1, %s, %s)
"""
_TOUCH = """
UPDATE cart_cart SET version = version + 1, updated_at = %s, currency = %s
WHERE id = %s AND version = %s AND state = 'open' RETURNING id
"""
_PUT_LINE = f"""
WITH changed AS ({_TOUCH})
INSERT INTO cart_line (cart_id, sku, quantity, seen_amount, added_at)
SELECT id, %s, %s, %s, %s FROM changed
ON CONFLICT (cart_id, sku) DO UPDATE
    SET quantity = excluded.quantity, seen_amount = excluded.seen_amount
RETURNING 1
"""  # noqa: S608
_DROP_LINE = f"""
WITH changed AS ({_TOUCH})
DELETE FROM cart_line l USING changed WHERE l.cart_id = changed.id AND l.sku = %s RETURNING 1
"""  # noqa: S608
_COUPONS = """
UPDATE cart_cart SET version = version + 1, updated_at = %s, coupons = %s
WHERE id = %s AND version = %s AND state = 'open' RETURNING id
"""
_LOCK = """
UPDATE cart_cart SET state = 'checkout', order_id = %s, snapshot = %s, version = version + 1,
       updated_at = %s
WHERE id = %s AND version = %s AND state = 'open' RETURNING id
"""
_OWN = """
UPDATE cart_cart SET owner = %s, version = version + 1, updated_at = %s
WHERE id = %s AND version = %s AND state = 'open' RETURNING id
"""


@dataclass(frozen=True, slots=True)
class StoredLine:
    """So many of one SKU; ``seen_amount`` is the unit price last shown for it."""

    sku: str
    quantity: int
    seen_amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCart:
    """A cart as it is stored."""

    id: UUID
    owner: str
    state: CartState
    currency: str
    coupons: tuple[str, ...]
    order_id: UUID | None
    merged_into: UUID | None
    snapshot: str
    version: int
    created_at: datetime
    updated_at: datetime
    lines: tuple[StoredLine, ...]

    def line(self, sku: str) -> StoredLine | None:
        return next((line for line in self.lines if line.sku == sku), None)


def read(cart_id: UUID) -> StoredCart | None:
    """The cart with its lines."""
    with connections[alias_of("cart")].cursor() as cursor:
        cursor.execute(_READ, [cart_id])
        rows = cursor.fetchall()
    if not rows:
        return None
    (cid, owner, state, currency, coupons, order_id, merged, snapshot, version, made, touched) = (
        rows[0][:11]
    )
    return StoredCart(
        id=cid,
        owner=owner,
        state=CartState(state),
        currency=currency,
        coupons=tuple(coupons),
        order_id=order_id,
        merged_into=merged,
        snapshot=snapshot,
        version=version,
        created_at=made,
        updated_at=touched,
        lines=tuple(StoredLine(*row[11:]) for row in rows if row[11] is not None),
    )


def create(cart_id: UUID, *, owner: str, now: datetime) -> None:
    """A new, empty cart."""
    with connections[alias_of("cart")].cursor() as cursor:
        cursor.execute(_CREATE, [cart_id, owner, now, now])


def put_line(cart: StoredCart, line: StoredLine, *, currency: str, now: datetime) -> bool:
    """Add or replace the line; False when the cart has changed since it was read."""
    touch = [now, currency, cart.id, cart.version]
    return _changed(_PUT_LINE, [*touch, line.sku, line.quantity, line.seen_amount, now])


def drop_line(cart: StoredCart, sku: str, *, currency: str, now: datetime) -> bool:
    """Remove the line; False when the cart has changed since it was read."""
    return _changed(_DROP_LINE, [now, currency, cart.id, cart.version, sku])


def set_coupons(cart: StoredCart, codes: tuple[str, ...], *, now: datetime) -> bool:
    """Replace the coupons; False when the cart has changed since it was read."""
    return _changed(_COUPONS, [now, list(codes), cart.id, cart.version])


def lock(cart: StoredCart, *, order_id: UUID, snapshot: str, now: datetime) -> bool:
    """Give the cart to an order; False when it has changed since it was read."""
    return _changed(_LOCK, [order_id, snapshot, now, cart.id, cart.version])


def give_to(cart: StoredCart, owner: str, *, now: datetime) -> bool:
    """Let it be ``owner``'s; False when it has changed since it was read."""
    return _changed(_OWN, [owner, now, cart.id, cart.version])


def _changed(statement: str, parameters: list[Any]) -> bool:
    with connections[alias_of("cart")].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone() is not None
