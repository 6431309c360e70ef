"""What clients send to carts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from modules.cart.domain import MAX_QUANTITY, WHOLE, CouponKind
from modules.platform.rest.pagination import ListQuery

Sku = Annotated[str, Meta(min_length=1, max_length=64)]
Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
Code = Annotated[str, Meta(max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Amount = Annotated[int, Meta(ge=0, le=10**12)]
Uses = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Points = Annotated[int, Meta(ge=0, le=WHOLE)]
Currency = Annotated[str, Meta(pattern=r"^([A-Z]{3})?$")]
Words = Annotated[str, Meta(max_length=200)]
Moment = Annotated[datetime, Meta(tz=True)]


class LineBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """So many more of a SKU."""

    sku: Sku
    quantity: Quantity = 1


class QuantityBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Exactly so many."""

    quantity: Quantity


class CouponCode(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A coupon to apply; capitals do not matter."""

    code: Code


class CartsQuery(ListQuery, kw_only=True):
    """The caller's own carts, newest first."""


class CouponsQuery(ListQuery, kw_only=True):
    """Coupons, newest first."""


class CouponBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A coupon to make. Percent: ``basis_points`` (1000 is 10 %). Fixed: ``amount`` in minor
    units and ``currency``. Limits null mean none; ``owner_limit`` needs customers to sign in."""

    code: Code
    kind: CouponKind
    description: Words = ""
    basis_points: Points = 0
    amount: Amount = 0
    currency: Currency = ""
    min_subtotal: Amount = 0
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    usage_limit: Uses | None = None
    owner_limit: Uses | None = None
    combinable: bool = True
    active: bool = True


class CouponChanges(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a coupon; what is left out stays."""

    description: Words | UnsetType = UNSET
    basis_points: Points | UnsetType = UNSET
    amount: Amount | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    min_subtotal: Amount | UnsetType = UNSET
    starts_at: Moment | UnsetType | None = UNSET
    ends_at: Moment | UnsetType | None = UNSET
    usage_limit: Uses | UnsetType | None = UNSET
    owner_limit: Uses | UnsetType | None = UNSET
    combinable: bool | UnsetType = UNSET
    active: bool | UnsetType = UNSET
