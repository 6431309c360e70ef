"""Stock over HTTP: what anybody may see, and what staff may see and change."""

from __future__ import annotations

from modules.inventory.contract import (
    Availability,
    BadQuantity,
    InsufficientStock,
    StockLine,
    UnknownSku,
    UnknownWarehouse,
)
from modules.inventory.queries.listing import StockFilter, stock_page
from modules.inventory.rest import answers
from modules.inventory.rest import serializers as s
from modules.inventory.service import InventoryService
from modules.platform.contracts import StaleVersion
from modules.platform.rest.access import scope
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import Page
from modules.platform.rest.requests import ApiRequest

READ = scope("inventory:read")
WRITE = scope("inventory:write")
inventory = InventoryService()


class StockListView(ApiView):
    """Stock rows, one per SKU and warehouse."""

    @operation(
        "List stock by SKU and warehouse",
        query=s.StockQuery,
        returns=Page[s.StockRowView],
        access=READ,
    )
    def get(self, request: ApiRequest, *, query: s.StockQuery) -> Page[s.StockRowView]:
        wanted = StockFilter(
            sku=query.sku,
            warehouse=query.warehouse,
            available_lte=query.available__lte,
            available_gte=query.available__gte,
            low=query.low,
            shortfall=query.shortfall,
        )
        found, after, before = stock_page(wanted, cursor=query.cursor, limit=query.limit)
        return Page(data=[answers.stock_row_of(row) for row in found], next=after, previous=before)


class StockItemView(ApiView):
    """One SKU over all warehouses."""

    @operation(
        "Show a SKU's availability; to staff (inventory:read) also the numbers per warehouse",
        returns=s.StockView,
        errors=(UnknownSku,),
        etag=True,
    )
    def get(self, request: ApiRequest, *, sku: str) -> Answer:
        return _stock(sku, details=request.actor.may("inventory:read"))

    @operation(
        "Set what is on hand in a warehouse, or the SKU's settings",
        body=s.StockChange,
        returns=s.StockView,
        access=WRITE,
        if_match="required",
        errors=(UnknownSku, UnknownWarehouse, StaleVersion, BadQuantity),
    )
    def patch(self, request: ApiRequest, *, sku: str, body: s.StockChange) -> Answer:
        _known(sku)
        inventory.change_sku(
            sku=sku,
            expected_version=request.expected_version,
            reason=body.reason,
            warehouse=body.warehouse,
            on_hand=body.on_hand,
            backorderable=body.backorderable,
            low_threshold=body.low_threshold,
        )
        return _stock(sku, details=True)


class AvailabilityView(ApiView):
    """Many SKUs at once."""

    @operation("Show the availability of up to 100 SKUs", query=s.ManyQuery, returns=s.ManyView)
    def get(self, request: ApiRequest, *, query: s.ManyQuery) -> s.ManyView:
        found = {stock.sku: stock for stock in inventory.availability(skus=query.skus)}
        wanted = dict.fromkeys(query.skus)
        return s.ManyView(
            data=[answers.availability_of(found[sku]) for sku in wanted if sku in found]
        )


class AdjustmentsView(ApiView):
    """Corrections of what is on hand."""

    @operation(
        "Adjust what is on hand by a difference",
        body=s.Adjustment,
        returns={201: s.AdjustmentView},
        access=WRITE,
        idempotent=True,
        errors=(UnknownSku, UnknownWarehouse, BadQuantity),
    )
    def post(self, request: ApiRequest, *, body: s.Adjustment) -> s.AdjustmentView:
        on_hand = inventory.adjust(
            sku=body.sku,
            warehouse=body.warehouse,
            delta=body.delta,
            reason=body.reason,
            idempotency_key=command_key(request),
        )
        return s.AdjustmentView(sku=body.sku, warehouse=body.warehouse, on_hand=on_hand)


class TransfersView(ApiView):
    """Goods that move between warehouses."""

    @operation(
        "Move free goods from one warehouse to another",
        body=s.TransferBody,
        returns={201: s.TransferView},
        access=WRITE,
        idempotent=True,
        errors=(UnknownSku, UnknownWarehouse, InsufficientStock, BadQuantity),
    )
    def post(self, request: ApiRequest, *, body: s.TransferBody) -> s.TransferView:
        document = inventory.transfer(
            source=body.source,
            target=body.target,
            lines=[StockLine(sku=line.sku, quantity=line.quantity) for line in body.lines],
            reason=body.reason,
            idempotency_key=command_key(request),
        )
        return s.TransferView(
            document=str(document), source=body.source, target=body.target, lines=body.lines
        )


class StocktakesView(ApiView):
    """Counted goods."""

    @operation(
        "Book what was counted in a warehouse",
        body=s.StocktakeBody,
        returns={201: s.StocktakeView},
        access=WRITE,
        idempotent=True,
        errors=(UnknownWarehouse, BadQuantity),
    )
    def post(self, request: ApiRequest, *, body: s.StocktakeBody) -> s.StocktakeView:
        done = inventory.count(
            warehouse=body.warehouse,
            counts=[StockLine(sku=line.sku, quantity=line.counted) for line in body.counts],
            reason=body.reason,
            idempotency_key=command_key(request),
        )
        return answers.stocktake_of(done)


def command_key(request: ApiRequest) -> str:
    """The command's key: the header's, within the actor's own."""
    return f"rest:{request.actor.id}:{request.idempotency_key}"


def _known(sku: str) -> Availability:
    # What cannot be a SKU is none, and U+0000 must not reach the database.
    found = inventory.availability(skus=(sku,)) if sku.isprintable() and len(sku) <= 64 else ()
    if not found:
        raise UnknownSku(sku=sku[:64])
    return found[0]


def _stock(sku: str, *, details: bool) -> Answer:
    found = _known(sku)
    shelves = stock_page(StockFilter(sku=sku))[0] if details else []
    body = answers.stock_of(found, shelves) if details else answers.availability_of(found)
    return Answer(body=body, version=found.version, headers={"Vary": "Authorization, Api-Key"})
