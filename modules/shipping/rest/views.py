"""Quotes, shipments and the pick list over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from modules.platform.contracts import Actor, StaleVersion
from modules.platform.rest.access import identified, scope
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import Page, keyset
from modules.platform.rest.problems import Problem
from modules.platform.rest.requests import ApiRequest
from modules.shipping import queries
from modules.shipping.contract import (
    NotDeliverable,
    NotInShipment,
    NotInState,
    Shipment,
    ShipmentNotFound,
    ShipmentOnHold,
)
from modules.shipping.rest import serializers as s
from modules.shipping.service import ShippingService

READ = scope("shipping:read")
WRITE = scope("shipping:write")
shipping = ShippingService()


class QuotesView(ApiView):
    """What a delivery costs and when it arrives."""

    @operation(
        "Quote a delivery, by parameters",
        query=s.QuotesQuery,
        returns=s.QuotesView,
        errors=(NotDeliverable,),
    )
    def get(self, request: ApiRequest, *, query: s.QuotesQuery) -> s.QuotesView:
        found = shipping.quotes(address=query.as_address(), parcel=query.as_parcel())
        return s.QuotesView(data=list(found))

    @operation(
        "Quote a delivery", body=s.QuotesBody, returns=s.QuotesView, errors=(NotDeliverable,)
    )
    def post(self, request: ApiRequest, *, body: s.QuotesBody) -> s.QuotesView:
        found = shipping.quotes(address=body.as_address(), parcel=body.as_parcel())
        return s.QuotesView(data=list(found))


class ShipmentsView(ApiView):
    """Shipments: one's own, or to staff (shipping:read) everybody's."""

    @operation(
        "List shipments, newest first",
        query=s.ShipmentQuery,
        returns=Page[s.ShipmentView],
        access=identified(),
    )
    def get(self, request: ApiRequest, *, query: s.ShipmentQuery) -> Page[s.ShipmentView]:
        rows = queries.shipment_rows(
            order_id=_order_id(query.order_id),
            owners=None if request.actor.may("shipping:read") else request.actor.owners,
            state=query.state,
            warehouse=query.warehouse,
        )
        found, after, before = keyset(rows, order=("-id",), cursor=query.cursor, limit=query.limit)
        shipments = queries.as_shipments(found)
        return Page(data=[s.shipment_of(row) for row in shipments], next=after, previous=before)


class ShipmentView(ApiView):
    """One shipment."""

    @operation(
        "Show a shipment",
        returns=s.ShipmentView,
        access=identified(),
        etag=True,
        errors=(ShipmentNotFound,),
    )
    def get(self, request: ApiRequest, *, shipment_id: UUID) -> Answer:
        return _answer(_visible(shipment_id, request.actor))


class DispatchView(ApiView):
    """A parcel leaves."""

    @operation(
        "Dispatch a shipment, whole or in part",
        body=s.DispatchBody,
        returns=s.ShipmentView,
        access=WRITE,
        idempotent=True,
        if_match="optional",
        errors=(ShipmentNotFound, NotInState, ShipmentOnHold, NotInShipment, StaleVersion),
    )
    def post(self, request: ApiRequest, *, shipment_id: UUID, body: s.DispatchBody) -> Answer:
        shipping.dispatch(
            shipment_id=shipment_id,
            tracking_number=body.tracking_number.strip(),
            lines=s.shipment_lines(body.lines),
            expected_version=request.expected_version,
        )
        return _answer(queries.shipment(shipment_id))


class DeliverView(ApiView):
    """A parcel arrives."""

    @operation(
        "Mark a shipment as delivered",
        returns=s.ShipmentView,
        access=WRITE,
        idempotent=True,
        if_match="optional",
        errors=(ShipmentNotFound, NotInState, StaleVersion),
    )
    def post(self, request: ApiRequest, *, shipment_id: UUID) -> Answer:
        shipping.deliver(shipment_id=shipment_id, expected_version=request.expected_version)
        return _answer(queries.shipment(shipment_id))


class SplitView(ApiView):
    """Part of a shipment is to be sent apart."""

    @operation(
        "Split a shipment; the answer is the new one",
        body=s.SplitBody,
        returns={201: s.ShipmentView},
        access=WRITE,
        idempotent=True,
        if_match="optional",
        errors=(ShipmentNotFound, NotInState, NotInShipment, StaleVersion),
    )
    def post(self, request: ApiRequest, *, shipment_id: UUID, body: s.SplitBody) -> Answer:
        new = shipping.split(
            shipment_id=shipment_id,
            lines=s.shipment_lines(body.lines),
            expected_version=request.expected_version,
        )
        return _answer(queries.shipment(new), status=201)


class CancelView(ApiView):
    """A parcel is not sent."""

    @operation(
        "Cancel a shipment that has not left",
        body=s.CancelBody,
        returns=s.ShipmentView,
        access=WRITE,
        idempotent=True,
        errors=(ShipmentNotFound, NotInState),
    )
    def post(self, request: ApiRequest, *, shipment_id: UUID, body: s.CancelBody) -> Answer:
        shipping.cancel_shipment(shipment_id=shipment_id, reason=body.reason)
        return _answer(queries.shipment(shipment_id))


class PickListView(ApiView):
    """What to fetch from the shelves."""

    @operation(
        "Show a warehouse's pick list", query=s.PickQuery, returns=s.PickListView, access=READ
    )
    def get(self, request: ApiRequest, *, query: s.PickQuery) -> s.PickListView:
        day = query.day or datetime.now(UTC).date()
        return s.pick_list_of(queries.pick_list(warehouse=query.warehouse, day=day))


def _visible(shipment_id: UUID, actor: Actor) -> Shipment:
    found = queries.shipment(shipment_id)
    if not (actor.may("shipping:read") or actor.owns(found.owner)):
        raise ShipmentNotFound(shipment_id=shipment_id)
    return found


def _answer(shipment: Shipment, *, status: int = 200) -> Answer:
    return Answer(body=s.shipment_of(shipment), status=status, version=shipment.version)


def _order_id(text: str) -> UUID | None:
    try:
        return s.order_ids.parse(text) if text else None
    except ValueError as error:
        raise Problem.invalid("query/order_id", "not an order's id") from error
