"""Drafts over REST: staff put an order together and place it later."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from modules.orders.contract import (
    Order,
    OrderLine,
    OrderNotFound,
    OrderStateConflict,
)
from modules.orders.rest.addresses import AddressBody, optional_address, postal_address
from modules.orders.rest.placing import PLACING_ERRORS, placed
from modules.orders.rest.serializers import (
    PRODUCT,
    Email,
    Locale,
    Method,
    OrderBody,
    PaymentMethod,
    Quantity,
    Sku,
    order_body,
)
from modules.orders.service import drafts
from modules.orders.service.drafts import Draft
from modules.platform.contracts import Money, StaleVersion
from modules.platform.rest.access import scope
from modules.platform.rest.answers import Answer
from modules.platform.rest.identifiers import ids
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.problems import Problem
from modules.platform.rest.requests import ApiRequest

Amount = Annotated[int, msgspec.Meta(ge=0, le=10_000_000_000)]
CUSTOMER = ids("cus")
WRITE = scope("orders:write")


class DraftLineBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A line with the price that staff give it; minor units, tax included."""

    sku: Sku
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    quantity: Quantity
    unit_price: Amount
    discount: Amount = 0
    tax_basis_points: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    weight_grams: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0
    product_id: Annotated[str, msgspec.Meta(pattern=f"^{PRODUCT.regex}$")] | None = None


class DraftBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An order that staff put together. ``customer_id``: the account it is for, if any."""

    email: Email
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    lines: Annotated[list[DraftLineBody], msgspec.Meta(min_length=1, max_length=500)]
    shipping_address: AddressBody
    shipping: Amount = 0
    shipping_method: Method = ""
    billing_address: AddressBody | None = None
    customer_id: Annotated[str, msgspec.Meta(pattern=f"^{CUSTOMER.regex}$")] | None = None
    locale: Locale = "en"


class PlaceDraftBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How it is paid."""

    payment_method: PaymentMethod


class DraftsView(ApiView):
    """Draft orders."""

    @operation(
        "Draft an order",
        body=DraftBody,
        returns={201: OrderBody},
        access=WRITE,
        idempotent=True,
    )
    def post(self, request: ApiRequest, body: DraftBody) -> Answer:
        order = drafts.create(_draft(body), actor=_staff(request), order_id=request.subject)
        return _answer(order, status=201)


class DraftView(ApiView):
    """One draft; as an order it is read at its order's address."""

    @operation(
        "Replace a draft",
        body=DraftBody,
        returns=OrderBody,
        access=WRITE,
        if_match="required",
        errors=(OrderNotFound, OrderStateConflict, StaleVersion),
    )
    def put(self, request: ApiRequest, order_id: UUID, body: DraftBody) -> Answer:
        order = drafts.replace(
            order_id,
            _draft(body),
            expected_version=request.expected_version,
            actor=_staff(request),
        )
        return _answer(order)

    @operation(
        "Discard a draft",
        returns=None,
        access=WRITE,
        errors=(OrderNotFound, OrderStateConflict),
    )
    def delete(self, request: ApiRequest, order_id: UUID) -> None:
        drafts.discard(order_id, actor=_staff(request))


class PlaceDraftView(ApiView):
    """Placing a draft."""

    @operation(
        "Place a draft",
        body=PlaceDraftBody,
        returns={201: OrderBody, 202: OrderBody},
        access=WRITE,
        idempotent=True,
        errors=(OrderNotFound, OrderStateConflict, *PLACING_ERRORS),
    )
    def post(self, request: ApiRequest, order_id: UUID, body: PlaceDraftBody) -> Answer:
        return placed(
            lambda: drafts.place_draft(
                order_id, payment_method=body.payment_method, actor=_staff(request)
            )
        )


def _staff(request: ApiRequest) -> str:
    return request.actor.label or request.actor.id


def _answer(order: Order, status: int = 200) -> Answer:
    return Answer(body=order_body(order), status=status, version=order.version)


def _draft(body: DraftBody) -> Draft:
    skus = [line.sku for line in body.lines]
    if len(set(skus)) != len(skus):
        raise Problem.invalid("/lines", "a SKU stands on one line only", code="duplicate")
    owner = f"customer:{CUSTOMER.parse(body.customer_id)}" if body.customer_id else "staff:draft"
    return Draft(
        owner=owner,
        email=body.email,
        locale=body.locale,
        lines=tuple(_line(line, body.currency, index) for index, line in enumerate(body.lines)),
        shipping=Money(amount=body.shipping, currency=body.currency),
        shipping_method=body.shipping_method,
        shipping_address=postal_address(body.shipping_address, pointer="/shipping_address"),
        billing_address=optional_address(body.billing_address, pointer="/billing_address"),
    )


def _line(body: DraftLineBody, currency: str, index: int) -> OrderLine:
    gross = body.unit_price * body.quantity
    if body.discount > gross:
        raise Problem.invalid(f"/lines/{index}/discount", "is more than the line costs")
    total = gross - body.discount
    tax = total - total * 10_000 // (10_000 + body.tax_basis_points)

    def money(amount: int) -> Money:
        return Money(amount=amount, currency=currency)

    return OrderLine(
        sku=body.sku,
        product_id=PRODUCT.parse(body.product_id) if body.product_id else UUID(int=0),
        name=body.name,
        quantity=body.quantity,
        unit_price=money(body.unit_price),
        discount=money(body.discount),
        total=money(total),
        tax=money(tax),
        weight_grams=body.weight_grams,
    )
