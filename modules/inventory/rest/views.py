"""Warehouses, the ledger and reservations over HTTP, for staff."""

from __future__ import annotations

from uuid import UUID

from modules.inventory.contract import (
    ReleaseStock,
    ReservationClosed,
    ReservationNotFound,
    UnknownWarehouse,
    WarehouseExists,
)
from modules.inventory.queries import listing
from modules.inventory.rest import answers
from modules.inventory.rest import serializers as s
from modules.inventory.rest.stock import READ, WRITE, command_key, inventory
from modules.inventory.service import warehouses
from modules.platform.contracts import StaleVersion
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import ListQuery, Page
from modules.platform.rest.problems import Problem
from modules.platform.rest.requests import ApiRequest


class WarehousesView(ApiView):
    """The shop's warehouses."""

    @operation("List warehouses", query=ListQuery, returns=Page[s.WarehouseView], access=READ)
    def get(self, request: ApiRequest, *, query: ListQuery) -> Page[s.WarehouseView]:
        found, after, before = listing.warehouse_page(cursor=query.cursor, limit=query.limit)
        return Page(data=[answers.warehouse_of(row) for row in found], next=after, previous=before)

    @operation(
        "Open a warehouse",
        body=s.WarehouseBody,
        returns={201: s.WarehouseView},
        access=WRITE,
        errors=(WarehouseExists,),
    )
    def post(self, request: ApiRequest, *, body: s.WarehouseBody) -> Answer:
        warehouses.create(
            code=body.code, name=body.name, country=body.country, priority=body.priority
        )
        row = listing.warehouse(body.code)
        return Answer(body=answers.warehouse_of(row), status=201, version=row.version)


class WarehouseView(ApiView):
    """One warehouse."""

    @operation(
        "Show a warehouse",
        returns=s.WarehouseView,
        access=READ,
        etag=True,
        errors=(UnknownWarehouse,),
    )
    def get(self, request: ApiRequest, *, code: str) -> Answer:
        row = listing.warehouse(code)
        return Answer(body=answers.warehouse_of(row), version=row.version)

    @operation(
        "Rename, reorder, open or close a warehouse",
        body=s.WarehouseChange,
        returns=s.WarehouseView,
        access=WRITE,
        if_match="required",
        errors=(UnknownWarehouse, StaleVersion),
    )
    def patch(self, request: ApiRequest, *, code: str, body: s.WarehouseChange) -> Answer:
        warehouses.change(
            code,
            expected_version=request.expected_version,
            name=body.name,
            priority=body.priority,
            active=body.active,
        )
        row = listing.warehouse(code)
        return Answer(body=answers.warehouse_of(row), version=row.version)


class MovementsView(ApiView):
    """The ledger."""

    @operation(
        "List movements of a SKU or an order, newest first",
        query=s.MovementQuery,
        returns=Page[s.MovementView],
        access=READ,
    )
    def get(self, request: ApiRequest, *, query: s.MovementQuery) -> Page[s.MovementView]:
        found, after, before = listing.movement_page(
            sku=query.sku,
            warehouse=query.warehouse,
            order_id=_order_id(query.order_id),
            cursor=query.cursor,
            limit=query.limit,
        )
        return Page(data=[answers.movement_of(row) for row in found], next=after, previous=before)


class ReservationView(ApiView):
    """What is set aside for an order."""

    @operation(
        "Show an order's reservation",
        returns=s.ReservationView,
        access=READ,
        errors=(ReservationNotFound,),
    )
    def get(self, request: ApiRequest, *, order_id: UUID) -> s.ReservationView:
        return answers.reservation_of(inventory.reservation(order_id=order_id))


class ReleaseView(ApiView):
    """Giving an order's stock back by hand."""

    @operation(
        "Release what is set aside for an order",
        body=s.Release,
        returns=s.ReservationView,
        access=WRITE,
        idempotent=True,
        errors=(ReservationNotFound, ReservationClosed),
    )
    def post(self, request: ApiRequest, *, order_id: UUID, body: s.Release) -> s.ReservationView:
        inventory.reservation(order_id=order_id)
        inventory.release(
            ReleaseStock(
                order_id=order_id, reason=body.reason, idempotency_key=command_key(request)
            )
        )
        return answers.reservation_of(inventory.reservation(order_id=order_id))


def _order_id(text: str) -> UUID | None:
    try:
        return s.order_ids.parse(text) if text else None
    except ValueError as error:
        raise Problem.invalid("query/order_id", "not an order's id") from error
