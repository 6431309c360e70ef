"""Lists of carts and coupons, to be paged by their newest."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from modules.cart.domain import CartState
from modules.cart.models import Cart, Coupon


def own_carts(owners: Iterable[str]) -> QuerySet[Cart]:
    """The carts of any of ``owners``, but for those that went into another."""
    return Cart.objects.filter(owner__in=owners).exclude(state=CartState.MERGED)


def all_coupons() -> QuerySet[Coupon]:
    """Every coupon."""
    return Coupon.objects.all()
