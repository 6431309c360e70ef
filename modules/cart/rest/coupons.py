"""Coupons over HTTP, for staff."""

from __future__ import annotations

from typing import Any

import msgspec

from modules.cart.contract import CouponCodeTaken, CouponInvalid, CouponNotFound
from modules.cart.queries import all_coupons
from modules.cart.rest.answers import CouponEntry, coupon_entry
from modules.cart.rest.bodies import CouponBody, CouponChanges, CouponsQuery
from modules.cart.rest.clock import now
from modules.cart.service import coupons
from modules.platform.rest.access import scope
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import Page, keyset
from modules.platform.rest.requests import ApiRequest

READ = scope("cart:read", "cart:write")
WRITE = scope("cart:write")


class CouponsView(ApiView):
    """Coupons."""

    @operation("List coupons", query=CouponsQuery, returns=Page[CouponEntry], access=READ)
    def get(self, request: ApiRequest, *, query: CouponsQuery) -> Page[CouponEntry]:
        found, following, previous = keyset(
            all_coupons(), order=["-id"], cursor=query.cursor, limit=query.limit
        )
        return Page(data=[coupon_entry(row) for row in found], next=following, previous=previous)

    @operation(
        "Create a coupon",
        body=CouponBody,
        returns={201: CouponEntry},
        errors=(CouponCodeTaken, CouponInvalid),
        access=WRITE,
    )
    def post(self, request: ApiRequest, *, body: CouponBody) -> Answer:
        values = _sent(body)
        made = coupons.create_coupon(code=values.pop("code"), values=values, now=now())
        return _answer(made, made.version, status=201)


class CouponView(ApiView):
    """One coupon."""

    @operation(
        "Read a coupon", returns=CouponEntry, errors=(CouponNotFound,), access=READ, etag=True
    )
    def get(self, request: ApiRequest, *, code: str) -> Answer:
        found = coupons.find_coupon(code)
        return _answer(found, found.version)

    @operation(
        "Change a coupon",
        body=CouponChanges,
        returns=CouponEntry,
        errors=(CouponNotFound, CouponInvalid),
        access=WRITE,
        if_match="required",
    )
    def patch(self, request: ApiRequest, *, code: str, body: CouponChanges) -> Answer:
        changed = coupons.change_coupon(
            code=code, values=_sent(body), expected_version=request.expected_version
        )
        return _answer(changed, changed.version)

    @operation(
        "Remove a coupon",
        description="One that an order has used is switched off instead.",
        errors=(CouponNotFound,),
        access=WRITE,
    )
    def delete(self, request: ApiRequest, *, code: str) -> None:
        coupons.remove_coupon(code=code)


def _sent(body: msgspec.Struct) -> dict[str, Any]:
    return {
        name: value
        for name in body.__struct_fields__
        if (value := getattr(body, name)) is not msgspec.UNSET
    }


def _answer(row: object, version: int, *, status: int = 200) -> Answer:
    return Answer(body=coupon_entry(row), status=status, version=version)
