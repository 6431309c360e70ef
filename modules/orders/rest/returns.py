"""Returns over REST."""

from __future__ import annotations

from uuid import UUID

from modules.orders.contract import (
    NotReturnable,
    OrderNotFound,
    OrderStateConflict,
    ReturnNotFound,
)
from modules.orders.queries import get_order
from modules.orders.rest.serializers import (
    ReceiveReturnBody,
    RejectReturnBody,
    RequestReturnBody,
    ReturnBody,
    ReturnsBody,
    return_body,
)
from modules.orders.rest.views import stock_lines, visible, who
from modules.orders.returns import find_returns
from modules.orders.service.returns import receive_return, reject_return, request_return
from modules.platform.rest.access import identified, scope
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.requests import ApiRequest

ERRORS = (OrderNotFound, ReturnNotFound, NotReturnable, OrderStateConflict)


class ReturnsView(ApiView):
    """The returns of an order."""

    @operation(
        "Announce a return",
        body=RequestReturnBody,
        returns={201: ReturnBody},
        access=identified(),
        idempotent=True,
        errors=(OrderNotFound, NotReturnable, OrderStateConflict),
    )
    def post(self, request: ApiRequest, order_id: UUID, body: RequestReturnBody) -> Answer:
        order = visible(order_id, request.actor, scope="orders:write")
        found = request_return(
            order_id, lines=stock_lines(body.lines), reason=body.reason, actor=who(request)
        )
        return Answer(body=return_body(found, order.total.currency), status=201)

    @operation(
        "List an order's returns",
        returns=ReturnsBody,
        access=identified(),
        errors=(OrderNotFound,),
    )
    def get(self, request: ApiRequest, order_id: UUID) -> ReturnsBody:
        currency = visible(order_id, request.actor).total.currency
        return ReturnsBody(data=[return_body(each, currency) for each in find_returns(order_id)])


class ReceiveReturnView(ApiView):
    """The goods have arrived."""

    @operation(
        "Receive a return",
        description="Refunds what is accepted and, with restock, puts it back on hand. The state "
        "is refunded when both are done, received while that goes on in the background.",
        body=ReceiveReturnBody,
        returns=ReturnBody,
        access=scope("orders:write"),
        idempotent=True,
        errors=ERRORS,
    )
    def post(
        self, request: ApiRequest, order_id: UUID, return_id: UUID, body: ReceiveReturnBody
    ) -> ReturnBody:
        found = receive_return(
            order_id,
            return_id,
            accepted=None if body.lines is None else stock_lines(body.lines),
            restock=body.restock,
            actor=who(request),
        )
        return return_body(found, get_order(order_id).total.currency)


class RejectReturnView(ApiView):
    """The shop does not take the goods back."""

    @operation(
        "Reject a return",
        body=RejectReturnBody,
        returns=ReturnBody,
        access=scope("orders:write"),
        idempotent=True,
        errors=ERRORS,
    )
    def post(
        self, request: ApiRequest, order_id: UUID, return_id: UUID, body: RejectReturnBody
    ) -> ReturnBody:
        found = reject_return(order_id, return_id, reason=body.reason, actor=who(request))
        return return_body(found, get_order(order_id).total.currency)
