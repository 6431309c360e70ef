"""What other modules have of an order, for whoever may see the order.

Payment, shipping and notification know an order's owner as it was placed. A customer who claimed a
guest's order by its e-mail address sees its payments, shipments and messages here.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from modules.notification.contract import Channel, Message, MessageState
from modules.orders.contract import OrderNotFound
from modules.orders.rest.views import visible
from modules.orders.service import others
from modules.payment.contract import PaymentRecord, PaymentState
from modules.platform.contracts import Money
from modules.platform.rest.access import identified
from modules.platform.rest.identifiers import ids
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.requests import ApiRequest
from modules.shipping.contract import Shipment, ShipmentState

PAYMENT, SHIPMENT, MESSAGE = ids("pay"), ids("shp"), ids("msg")


class OrderPayment(msgspec.Struct, kw_only=True):
    """A payment of the order."""

    id: str
    state: PaymentState
    method: str
    amount: Money
    authorized: Money
    captured: Money
    refunded: Money
    created_at: datetime


class OrderPayments(msgspec.Struct, kw_only=True):
    """The order's payments, oldest first."""

    data: list[OrderPayment]


class ShippedLine(msgspec.Struct, kw_only=True):
    """So many of one SKU in a shipment."""

    sku: str
    name: str
    quantity: int


class OrderShipment(msgspec.Struct, kw_only=True):
    """A parcel of the order. ``tracking_url`` is empty where the carrier has no page."""

    id: str
    state: ShipmentState
    method: str
    lines: list[ShippedLine]
    tracking_number: str
    tracking_url: str
    dispatched_at: datetime | None
    delivered_at: datetime | None


class OrderShipments(msgspec.Struct, kw_only=True):
    """The order's shipments, oldest first."""

    data: list[OrderShipment]


class OrderMessage(msgspec.Struct, kw_only=True):
    """A message about the order. ``subject`` is empty until it is sent."""

    id: str
    template: str
    channel: Channel
    recipient: str
    subject: str
    state: MessageState
    created_at: datetime
    sent_at: datetime | None


class OrderMessages(msgspec.Struct, kw_only=True):
    """The messages about the order, oldest first."""

    data: list[OrderMessage]


class OrderPaymentsView(ApiView):
    """An order's payments."""

    @operation(
        "List the payments of an order",
        returns=OrderPayments,
        access=identified(),
        errors=(OrderNotFound,),
    )
    def get(self, request: ApiRequest, order_id: UUID) -> OrderPayments:
        visible(order_id, request.actor)
        return OrderPayments(data=[_payment(each) for each in others.payments(order_id)])


class OrderShipmentsView(ApiView):
    """An order's shipments."""

    @operation(
        "List the shipments of an order",
        returns=OrderShipments,
        access=identified(),
        errors=(OrderNotFound,),
    )
    def get(self, request: ApiRequest, order_id: UUID) -> OrderShipments:
        visible(order_id, request.actor)
        return OrderShipments(data=[_shipment(each) for each in others.shipments(order_id)])


class OrderMessagesView(ApiView):
    """The messages about an order."""

    @operation(
        "List the messages about an order",
        returns=OrderMessages,
        access=identified(),
        errors=(OrderNotFound,),
    )
    def get(self, request: ApiRequest, order_id: UUID) -> OrderMessages:
        visible(order_id, request.actor)
        return OrderMessages(data=[_message(each) for each in others.messages(order_id)])


def _payment(record: PaymentRecord) -> OrderPayment:
    return OrderPayment(
        id=PAYMENT.text(record.id),
        state=record.state,
        method=record.method,
        amount=record.amount,
        authorized=record.authorized,
        captured=record.captured,
        refunded=record.refunded,
        created_at=record.created_at,
    )


def _shipment(shipment: Shipment) -> OrderShipment:
    return OrderShipment(
        id=SHIPMENT.text(shipment.id),
        state=shipment.state,
        method=shipment.method,
        lines=[
            ShippedLine(sku=line.sku, name=line.name, quantity=line.quantity)
            for line in shipment.lines
        ],
        tracking_number=shipment.tracking_number,
        tracking_url=shipment.tracking_url,
        dispatched_at=shipment.dispatched_at,
        delivered_at=shipment.delivered_at,
    )


def _message(message: Message) -> OrderMessage:
    return OrderMessage(
        id=MESSAGE.text(message.id),
        template=message.template,
        channel=message.channel,
        recipient=message.recipient,
        subject=message.subject,
        state=message.state,
        created_at=message.created_at,
        sent_at=message.sent_at,
    )
