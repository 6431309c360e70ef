"""Orders over REST: place, read, cancel."""

from __future__ import annotations

from uuid import UUID

from modules.inventory.contract import StockLine
from modules.orders.contract import (
    LineNotCancellable,
    Order,
    OrderNotCancellable,
    OrderNotFound,
)
from modules.orders.queries import get_order, timeline
from modules.orders.rest.addresses import optional_address, postal_address
from modules.orders.rest.placing import PLACING_ERRORS, placed
from modules.orders.rest.serializers import (
    CART,
    ORDER,
    CancelBody,
    LineQuantity,
    OrderBody,
    OrderQuery,
    PlaceOrderBody,
    TimelineBody,
    TimelineEntryBody,
    order_body,
)
from modules.orders.service.cancellation import CancelOrder, cancel
from modules.orders.service.claims import is_claimed_by
from modules.orders.service.listing import OrderFilter, list_orders
from modules.orders.service.placement import PlaceOrder, place
from modules.platform.contracts import Actor, StaleVersion
from modules.platform.rest.access import identified
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import Page
from modules.platform.rest.problems import Problem
from modules.platform.rest.requests import ApiRequest


def visible(order_id: UUID, actor: Actor, *, scope: str = "orders:read") -> Order:
    """The order, if the actor owns or claims it, or is staff. Raises OrderNotFound."""
    order = get_order(order_id)
    if actor.owns(order.owner) or actor.may(scope) or is_claimed_by(order, actor.owners):
        return order
    raise OrderNotFound(reference=ORDER.text(order_id))


def who(request: ApiRequest) -> str:
    """The actor as the timeline names him."""
    return request.actor.label or request.actor.id or "shopper"


def stock_lines(lines: list[LineQuantity] | None) -> tuple[StockLine, ...]:
    """Raises Problem 422 when a SKU is named twice."""
    found = tuple(StockLine(sku=line.sku, quantity=line.quantity) for line in lines or ())
    if len({line.sku for line in found}) != len(found):
        raise Problem.invalid("/lines", "a SKU stands on one line only", code="duplicate")
    return found


class OrdersView(ApiView):
    """Orders: a shopper's own, or all of them for staff."""

    @operation(
        "Place an order",
        description="201 with the order; 202 with its address in Location when the payment goes "
        "on in the background or the shopper must confirm it at next_action; 200 with the order "
        "that this cart became before. An order that fails is kept as cancelled and the cart is "
        "open again.",
        body=PlaceOrderBody,
        returns={201: OrderBody, 202: OrderBody, 200: OrderBody},
        access=identified(),
        idempotent=True,
        errors=PLACING_ERRORS,
    )
    def post(self, request: ApiRequest, body: PlaceOrderBody) -> Answer:
        command = PlaceOrder(
            cart_id=CART.parse(body.cart_id),
            owners=request.actor.owners,
            email=body.email,
            shipping_address=postal_address(body.shipping_address, pointer="/shipping_address"),
            billing_address=optional_address(body.billing_address, pointer="/billing_address"),
            payment_method=body.payment_method,
            shipping_method=body.shipping_method,
            locale=body.locale,
            actor=who(request),
        )
        return placed(lambda: place(command, order_id=request.subject))

    @operation(
        "List orders",
        description="Newest first: the caller's own, among them those placed as a guest with an "
        "e-mail address that the customer has verified; all of them for staff.",
        query=OrderQuery,
        returns=Page[OrderBody],
        access=identified(),
    )
    def get(self, request: ApiRequest, query: OrderQuery) -> Page[OrderBody]:
        staff = request.actor.may("orders:read")
        wanted = OrderFilter(
            owners=None if staff else request.actor.owners,
            state=query.state,
            placed_from=query.placed_at__gte,
            placed_before=query.placed_at__lt,
            number=query.number,
            email=query.email,
        )
        found, after, before = list_orders(wanted, cursor=query.cursor, limit=query.limit)
        return Page(data=[order_body(order) for order in found], next=after, previous=before)


class OrderView(ApiView):
    """One order."""

    @operation(
        "Get an order",
        returns=OrderBody,
        access=identified(),
        etag=True,
        errors=(OrderNotFound,),
    )
    def get(self, request: ApiRequest, order_id: UUID) -> Answer:
        order = visible(order_id, request.actor)
        return Answer(body=order_body(order), version=order.version)


class TimelineView(ApiView):
    """What happened to an order."""

    @operation(
        "Get an order's timeline",
        returns=TimelineBody,
        access=identified(),
        errors=(OrderNotFound,),
    )
    def get(self, request: ApiRequest, order_id: UUID) -> TimelineBody:
        visible(order_id, request.actor)
        return TimelineBody(
            data=[
                TimelineEntryBody(at=row.at, kind=row.kind, detail=row.detail, actor=row.actor)
                for row in timeline(order_id)
            ]
        )


class CancelView(ApiView):
    """Cancelling an order, or some of its lines."""

    @operation(
        "Cancel an order",
        description="Without lines all of it. 200 when it is cancelled and all was given back; "
        "202 when that goes on in the background.",
        body=CancelBody,
        returns={200: OrderBody, 202: OrderBody},
        access=identified(),
        idempotent=True,
        if_match="optional",
        errors=(OrderNotFound, OrderNotCancellable, LineNotCancellable, StaleVersion),
    )
    def post(self, request: ApiRequest, order_id: UUID, body: CancelBody) -> Answer:
        visible(order_id, request.actor, scope="orders:write")
        done = cancel(
            CancelOrder(
                order_id=order_id,
                reason=body.reason,
                actor=who(request),
                lines=stock_lines(body.lines),
                expected_version=request.expected_version,
            )
        )
        return Answer(
            body=order_body(done.order),
            status=202 if done.pending else 200,
            headers={"Location": f"/api/v1/orders/{ORDER.text(order_id)}"},
            version=done.order.version,
        )
