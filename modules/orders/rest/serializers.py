"""Bodies of the orders API, and their making from contract types."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from modules.orders.contract import (
    FulfilmentState,
    Order,
    OrderLine,
    OrderPaymentState,
    OrderState,
)
from modules.orders.domain.states import ReturnState
from modules.orders.rest.addresses import AddressBody
from modules.orders.returns import GoodsReturn, ReturnedLine
from modules.platform.contracts import Money, PostalAddress
from modules.platform.rest.identifiers import ids
from modules.platform.rest.pagination import ListQuery

ORDER, CART, RETURN, PRODUCT = ids("ord"), ids("cart"), ids("ret"), ids("prd")

Email = Annotated[
    str, msgspec.Meta(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
]
Sku = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Reason = Annotated[str, msgspec.Meta(max_length=500)]
Locale = Annotated[str, msgspec.Meta(pattern="^[a-z]{2}(-[A-Za-z]{2,4})?$")]
Method = Annotated[str, msgspec.Meta(max_length=64)]
PaymentMethod = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
CartId = Annotated[str, msgspec.Meta(pattern=f"^{CART.regex}$")]


class PlaceOrderBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a shopper sends to buy a cart. ``shipping_method`` empty: the cheapest."""

    cart_id: CartId
    email: Email
    shipping_address: AddressBody
    payment_method: PaymentMethod
    shipping_method: Method = ""
    billing_address: AddressBody | None = None
    locale: Locale = "en"


class LineQuantity(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """So many of one line."""

    sku: Sku
    quantity: Quantity


Lines = Annotated[list[LineQuantity], msgspec.Meta(min_length=1, max_length=500)]


class CancelBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why, and what: without ``lines`` all of the order."""

    reason: Reason = ""
    lines: Lines | None = None


class RequestReturnBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the shopper sends back."""

    lines: Lines
    reason: Reason = ""


class ReceiveReturnBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What arrived: without ``lines`` all of it. ``restock``: it can be sold again."""

    lines: Lines | None = None
    restock: bool = True


class RejectReturnBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why the goods are not taken back."""

    reason: Annotated[str, msgspec.Meta(min_length=3, max_length=500)]


class OrderQuery(ListQuery, kw_only=True):
    """Filters of the list. ``email`` is for staff."""

    state: OrderState | None = None
    placed_at__gte: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    placed_at__lt: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    number: Annotated[str, msgspec.Meta(max_length=24)] = ""
    email: Annotated[str, msgspec.Meta(max_length=254)] = ""


class LineBody(msgspec.Struct, kw_only=True):
    """One line as it was sold; ``cancelled`` and ``returned`` of ``quantity`` are gone."""

    sku: str
    product_id: str | None
    name: str
    quantity: int
    unit_price: Money
    discount: Money
    total: Money
    tax: Money
    cancelled: int
    returned: int


class FailureBody(msgspec.Struct, kw_only=True):
    """Why the order could not be placed; ``code`` is stable."""

    code: str
    detail: str


class OrderBody(msgspec.Struct, kw_only=True):
    """An order. ``next_action``: where the shopper confirms the payment, or empty."""

    id: str
    number: str
    state: OrderState
    payment_state: OrderPaymentState
    fulfilment_state: FulfilmentState
    failure: FailureBody | None
    email: str
    locale: str
    cart_id: str | None
    lines: list[LineBody]
    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money
    total: Money
    refunded: Money
    shipping_method: str
    payment_method: str
    shipping_address: PostalAddress
    billing_address: PostalAddress | None
    next_action: str
    placed_at: datetime
    version: int


class TimelineEntryBody(msgspec.Struct, kw_only=True):
    """Something that happened to the order."""

    at: datetime
    kind: str
    detail: str
    actor: str


class TimelineBody(msgspec.Struct, kw_only=True):
    """All that happened, oldest first."""

    data: list[TimelineEntryBody]


class ReturnBody(msgspec.Struct, kw_only=True):
    """Goods on their way back. ``amount`` is set once they are received."""

    id: str
    order_id: str
    state: ReturnState
    reason: str
    amount: Money
    lines: list[ReturnedLine]
    created_at: datetime
    version: int


class ReturnsBody(msgspec.Struct, kw_only=True):
    """All returns of an order, oldest first."""

    data: list[ReturnBody]


def order_body(order: Order) -> OrderBody:
    """An order as clients see it."""
    failure = None
    if order.failure_code:
        failure = FailureBody(code=order.failure_code, detail=order.failure_detail)
    return OrderBody(
        id=ORDER.text(order.id),
        number=order.number,
        state=order.state,
        payment_state=order.payment_state,
        fulfilment_state=order.fulfilment_state,
        failure=failure,
        email=order.email,
        locale=order.locale,
        cart_id=None if order.cart_id is None else CART.text(order.cart_id),
        lines=[_line_body(line) for line in order.lines],
        subtotal=order.subtotal,
        discount=order.discount,
        shipping=order.shipping,
        tax=order.tax,
        total=order.total,
        refunded=Money(amount=order.refunded, currency=order.total.currency),
        shipping_method=order.shipping_method,
        payment_method=order.payment_method,
        shipping_address=order.shipping_address,
        billing_address=order.billing_address,
        next_action=order.next_action,
        placed_at=order.placed_at,
        version=order.version,
    )


def _line_body(line: OrderLine) -> LineBody:
    return LineBody(
        sku=line.sku,
        product_id=PRODUCT.text(line.product_id) if line.product_id.int else None,
        name=line.name,
        quantity=line.quantity,
        unit_price=line.unit_price,
        discount=line.discount,
        total=line.total,
        tax=line.tax,
        cancelled=line.cancelled,
        returned=line.returned,
    )


def return_body(found: GoodsReturn, currency: str) -> ReturnBody:
    """A return as clients see it."""
    return ReturnBody(
        id=RETURN.text(found.id),
        order_id=ORDER.text(found.order_id),
        state=found.state,
        reason=found.reason,
        amount=Money(amount=found.amount, currency=currency),
        lines=list(found.lines),
        created_at=found.created_at,
        version=found.version,
    )
