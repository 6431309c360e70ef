"""Carts over HTTP. Guests prove themselves by ``Cart-Token``, customers by access token."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings

from modules.cart.contract import (
    CartLocked,
    CartNotFound,
    CouponNotFound,
    CouponRefused,
    CurrencyMismatch,
    LineNotFound,
    LineNotSellable,
    QuantityLimit,
    TooManyLines,
)
from modules.cart.queries import own_carts
from modules.cart.rest.answers import (
    CART,
    ORD,
    CartEntry,
    CartShown,
    NewCart,
    cart_shown,
    new_cart,
)
from modules.cart.rest.bodies import CartsQuery, CouponCode, LineBody, QuantityBody
from modules.cart.rest.clock import now
from modules.cart.service import carts, merging
from modules.cart.service.pricing import PricedCart
from modules.platform.rest.access import identified, signed_in
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import Page, keyset
from modules.platform.rest.requests import ApiRequest


class CartsView(ApiView):
    """Carts."""

    @operation(
        "Open a cart",
        description="A guest's `token` is shown this once; send it as `Cart-Token`.",
        returns={201: NewCart},
    )
    def post(self, request: ApiRequest) -> Answer:
        cart, token = carts.open_cart(actor=request.actor, now=now())
        return Answer(
            body=new_cart(cart, token, settings.SHOP_CURRENCY),
            status=201,
            version=cart.version,
            headers={"Location": f"/api/v1/cart/{CART.text(cart.id)}"},
        )

    @operation(
        "List one's own carts",
        query=CartsQuery,
        returns=Page[CartEntry],
        access=identified(),
    )
    def get(self, request: ApiRequest, *, query: CartsQuery) -> Page[CartEntry]:
        found, following, previous = keyset(
            own_carts(request.actor.owners),
            order=["-id"],
            cursor=query.cursor,
            limit=query.limit,
        )
        data = [
            CartEntry(
                id=CART.text(row.id),
                state=row.state,
                currency=row.currency or settings.SHOP_CURRENCY,
                order_id=ORD.text(row.order_id) if row.order_id else None,
                version=row.version,
                created_at=row.created_at,
                updated_at=row.updated_at,
            )
            for row in found
        ]
        return Page(data=data, next=following, previous=previous)


class CartView(ApiView):
    """One cart."""

    @operation(
        "Read a cart",
        description="With today's prices, and warnings of what changed since.",
        returns=CartShown,
        errors=(CartNotFound,),
        access=identified(),
        etag=True,
    )
    def get(self, request: ApiRequest, *, cart_id: UUID) -> Answer:
        return _answer(carts.show(carts.visible_cart(cart_id, actor=request.actor), now=now()))


class LinesView(ApiView):
    """The lines of a cart."""

    @operation(
        "Add to a cart",
        description="A SKU that is there already gets so many more.",
        body=LineBody,
        returns={201: CartShown},
        errors=(
            CartNotFound,
            CartLocked,
            LineNotSellable,
            CurrencyMismatch,
            QuantityLimit,
            TooManyLines,
        ),
        access=identified(),
        if_match="optional",
    )
    def post(self, request: ApiRequest, *, cart_id: UUID, body: LineBody) -> Answer:
        found = carts.add_line(
            cart_id=cart_id,
            actor=request.actor,
            sku=body.sku,
            quantity=body.quantity,
            now=now(),
            expected_version=request.expected_version,
        )
        return _answer(found, status=201)


class LineView(ApiView):
    """One line of a cart."""

    @operation(
        "Change a line's quantity",
        body=QuantityBody,
        returns=CartShown,
        errors=(
            CartNotFound,
            CartLocked,
            LineNotFound,
            LineNotSellable,
            CurrencyMismatch,
            QuantityLimit,
        ),
        access=identified(),
        if_match="required",
    )
    def patch(self, request: ApiRequest, *, cart_id: UUID, sku: str, body: QuantityBody) -> Answer:
        return _answer(
            carts.change_line(
                cart_id=cart_id,
                actor=request.actor,
                sku=sku,
                quantity=body.quantity,
                now=now(),
                expected_version=request.expected_version,
            )
        )

    @operation(
        "Remove a line",
        returns=CartShown,
        errors=(CartNotFound, CartLocked, LineNotFound),
        access=identified(),
        if_match="required",
    )
    def delete(self, request: ApiRequest, *, cart_id: UUID, sku: str) -> Answer:
        return _answer(
            carts.remove_line(
                cart_id=cart_id,
                actor=request.actor,
                sku=sku,
                now=now(),
                expected_version=request.expected_version,
            )
        )


class CartCouponsView(ApiView):
    """The coupons of a cart."""

    @operation(
        "Apply a coupon",
        body=CouponCode,
        returns={201: CartShown},
        errors=(CartNotFound, CartLocked, CouponRefused),
        access=identified(),
        if_match="optional",
    )
    def post(self, request: ApiRequest, *, cart_id: UUID, body: CouponCode) -> Answer:
        found = carts.add_coupon(
            cart_id=cart_id,
            actor=request.actor,
            code=body.code,
            now=now(),
            expected_version=request.expected_version,
        )
        return _answer(found, status=201)


class CartCouponView(ApiView):
    """One coupon of a cart."""

    @operation(
        "Take a coupon off",
        returns=CartShown,
        errors=(CartNotFound, CartLocked, CouponNotFound),
        access=identified(),
        if_match="optional",
    )
    def delete(self, request: ApiRequest, *, cart_id: UUID, code: str) -> Answer:
        return _answer(
            carts.remove_coupon(
                cart_id=cart_id,
                actor=request.actor,
                code=code,
                now=now(),
                expected_version=request.expected_version,
            )
        )


class ClaimView(ApiView):
    """Keeping a guest's cart at login."""

    @operation(
        "Claim a guest's cart",
        description="Send the access token and the guest's `Cart-Token`. The cart becomes the "
        "customer's; where one waits already, the lines go into it and that one is answered.",
        returns=CartShown,
        errors=(CartNotFound, CartLocked),
        access=signed_in(),
    )
    def post(self, request: ApiRequest, *, cart_id: UUID) -> Answer:
        return _answer(merging.claim(cart_id=cart_id, actor=request.actor, now=now()))


def _answer(found: PricedCart, *, status: int = 200) -> Answer:
    shown = cart_shown(found)
    version = found.cart.version
    if shown.warnings:
        # Prices and stock change without a new version: such an answer is not to be kept.
        headers = {"ETag": f'"{version}"', "Cache-Control": "no-store"}
        return Answer(body=shown, status=status, headers=headers)
    return Answer(body=shown, status=status, version=version)
