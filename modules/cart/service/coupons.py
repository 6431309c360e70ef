"""Coupons: what they give, and who has used them. Their counters never pass their limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connections
from django.db.models import QuerySet

from modules.cart.contract import CouponCodeTaken, CouponInvalid, CouponNotFound, CouponRefused
from modules.cart.domain import CouponKind, Terms
from modules.cart.models import Coupon, CouponUse
from modules.platform.contracts import StaleVersion
from modules.platform.databases import alias_of, atomic

FIELDS = (
    "description",
    "kind",
    "basis_points",
    "amount",
    "currency",
    "min_subtotal",
    "starts_at",
    "ends_at",
    "usage_limit",
    "owner_limit",
    "combinable",
    "active",
)
CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,39}")
FIRST_YEAR, LAST_YEAR = 2000, 9000  # of validity; beyond them times stop being representable
_TERMS = """
SELECT c.code, c.kind, c.basis_points, c.amount, c.currency, c.min_subtotal, c.starts_at,
       c.ends_at, c.usage_limit, c.owner_limit, c.used,
       (SELECT count(*) FROM cart_couponuse u WHERE u.coupon_id = c.id AND u.owner = %s),
       c.combinable, c.active
FROM cart_coupon c WHERE c.code = ANY(%s)
"""
# Locked in the order of their codes, so that two orders with the same coupons cannot deadlock.
_LOCK = (
    "SELECT id, code, owner_limit FROM cart_coupon WHERE code = ANY(%s) ORDER BY code FOR UPDATE"
)
_COUNT = """
UPDATE cart_coupon SET used = used + 1
WHERE id = %s AND active AND (usage_limit IS NULL OR used < usage_limit) RETURNING 1
"""
_GIVE_BACK = """
WITH freed AS (DELETE FROM cart_couponuse WHERE order_id = %s RETURNING coupon_id)
UPDATE cart_coupon c SET used = used - 1 FROM freed WHERE c.id = freed.coupon_id
"""


def terms_of(codes: Sequence[str], *, owner: str) -> dict[str, Terms]:
    """Code to terms, for those that exist; one query."""
    with connections[alias_of("cart")].cursor() as cursor:
        cursor.execute(_TERMS, [owner, list(codes)])
        return {
            row[0]: Terms(
                code=row[0],
                kind=CouponKind(row[1]),
                basis_points=row[2],
                amount=row[3],
                currency=row[4],
                min_subtotal=row[5],
                starts_at=row[6],
                ends_at=row[7],
                usage_limit=row[8],
                owner_limit=row[9],
                used=row[10],
                used_by_owner=row[11],
                combinable=row[12],
                active=row[13],
            )
            for row in cursor.fetchall()
        }


def take(codes: Sequence[str], *, order_id: UUID, cart_id: UUID, owner: str, now: datetime) -> None:
    """Count the order's use of each, inside the caller's transaction. Raises CouponRefused."""
    with connections[alias_of("cart")].cursor() as cursor:
        cursor.execute(_LOCK, [list(codes)])
        for coupon_id, code, owner_limit in cursor.fetchall():
            used = CouponUse.objects.filter(coupon_id=coupon_id, owner=owner)
            if owner_limit is not None and used.count() >= owner_limit:
                raise CouponRefused(coupon=code, reason="you have used it already")
            cursor.execute(_COUNT, [coupon_id])
            if cursor.fetchone() is None:
                raise CouponRefused(coupon=code, reason="it is used up")
            CouponUse.objects.create(
                coupon_id=coupon_id, order_id=order_id, cart_id=cart_id, owner=owner, used_at=now
            )


def give_back(*, order_id: UUID) -> None:
    """Undo what ``take`` counted for the order; again is no error."""
    with connections[alias_of("cart")].cursor() as cursor:
        cursor.execute(_GIVE_BACK, [order_id])


def create_coupon(*, code: str, values: Mapping[str, Any], now: datetime) -> Coupon:
    """A new coupon. Raises CouponCodeTaken, CouponInvalid."""
    coupon = Coupon(code=code.upper(), created_at=now)
    return _stored(coupon, values, insert=True)


def find_coupon(code: str) -> Coupon:
    """Raises CouponNotFound."""
    return _found(code, Coupon.objects.all())


def change_coupon(
    *, code: str, values: Mapping[str, Any], expected_version: int | None = None
) -> Coupon:
    """Set some of FIELDS. Raises CouponNotFound, StaleVersion, CouponInvalid."""
    with atomic("cart"):
        coupon = _found(code, Coupon.objects.select_for_update())
        if expected_version is not None and coupon.version != expected_version:
            raise StaleVersion(expected=expected_version, actual=coupon.version)
        coupon.version += 1
        return _stored(coupon, values, insert=False)


def remove_coupon(*, code: str) -> None:
    """Remove one that no order used; switch any other off. Raises CouponNotFound."""
    with atomic("cart"):
        coupon = _found(code, Coupon.objects.select_for_update())
        if coupon.uses.exists():
            coupon.active = False
            coupon.version += 1
            coupon.save()
        else:
            coupon.delete()


def _found(code: str, rows: QuerySet[Coupon]) -> Coupon:
    known = CODE.fullmatch(code.upper())  # what cannot be a code may not even be storable
    coupon = rows.filter(code=code.upper()).first() if known else None
    if coupon is None:
        raise CouponNotFound(coupon=code)
    return coupon


def _stored(coupon: Coupon, values: Mapping[str, Any], *, insert: bool) -> Coupon:
    for name in FIELDS:
        if name in values:
            setattr(coupon, name, values[name])
    for moment in (coupon.starts_at, coupon.ends_at):
        if moment is not None and not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise CouponInvalid
    try:
        with atomic("cart"):
            coupon.save(force_insert=insert)
    except IntegrityError as error:
        constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
        if "code" in constraint and insert:
            raise CouponCodeTaken(coupon=coupon.code) from error
        raise CouponInvalid from error
    return coupon
