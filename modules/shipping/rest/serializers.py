"""Bodies and queries of shipments, quotes and the pick list."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec

from modules.platform.contracts import Money, PostalAddress
from modules.platform.rest.identifiers import ids
from modules.platform.rest.pagination import ListQuery, Query
from modules.shipping.contract import Parcel, Shipment, ShipmentLine, ShippingQuote
from modules.shipping.queries import PickList

shipment_ids = ids("shp")
order_ids = ids("ord")

MAX_MONEY = 10**12  # minor units
Country = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$")]
Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")]
Minor = Annotated[int, msgspec.Meta(ge=0, le=MAX_MONEY)]
Grams = Annotated[int, msgspec.Meta(ge=0, le=100_000_000)]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Sku = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9_-]+$")]
Reason = Annotated[str, msgspec.Meta(min_length=3, max_length=500)]
Tracking = Annotated[str, msgspec.Meta(max_length=80, pattern=r"^[\x20-\x7e]*$")]
OrderId = Annotated[str, msgspec.Meta(max_length=40)]


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request's body."""


class MoneyBody(Body, kw_only=True):
    """An amount in minor units."""

    amount: Minor
    currency: Currency


class AddressBody(Body, kw_only=True):
    """Where to; only the country is needed for a quote."""

    country: Country
    name: Text = ""
    line1: Text = ""
    line2: Text = ""
    city: Text = ""
    postal_code: Annotated[str, msgspec.Meta(max_length=20)] = ""
    region: Annotated[str, msgspec.Meta(max_length=80)] = ""
    company: Text = ""
    phone: Annotated[str, msgspec.Meta(max_length=20)] = ""


class ParcelBody(Body, kw_only=True):
    """What is to be delivered: total weight in grams, goods value, number of pieces."""

    weight_grams: Grams
    value: MoneyBody
    items: Quantity = 1


class QuotesBody(Body, kw_only=True):
    """What a delivery is asked for."""

    address: AddressBody
    parcel: ParcelBody

    def as_address(self) -> PostalAddress:
        return PostalAddress(**msgspec.structs.asdict(self.address))

    def as_parcel(self) -> Parcel:
        value = self.parcel.value
        return Parcel(
            weight_grams=self.parcel.weight_grams,
            value=Money(amount=value.amount, currency=value.currency),
            items=self.parcel.items,
        )


class QuotesQuery(Query, kw_only=True):
    """The same as parameters, for a link or a cache."""

    country: Country
    weight_grams: Grams
    value: Minor
    currency: Currency
    postal_code: Annotated[str, msgspec.Meta(max_length=20)] = ""
    region: Annotated[str, msgspec.Meta(max_length=80)] = ""
    items: Quantity = 1

    def as_address(self) -> PostalAddress:
        return PostalAddress(
            name="",
            line1="",
            city="",
            country=self.country,
            postal_code=self.postal_code,
            region=self.region,
        )

    def as_parcel(self) -> Parcel:
        return Parcel(
            weight_grams=self.weight_grams,
            value=Money(amount=self.value, currency=self.currency),
            items=self.items,
        )


class QuotesView(msgspec.Struct, kw_only=True):
    """The methods offered, cheapest first."""

    data: list[ShippingQuote]


class LineBody(Body, kw_only=True):
    """So many of a SKU."""

    sku: Sku
    quantity: Quantity


Lines = Annotated[list[LineBody], msgspec.Meta(min_length=1, max_length=500)]


class DispatchBody(Body, kw_only=True):
    """What has left: all of the shipment, or ``lines``; the rest gets a shipment of its own."""

    tracking_number: Tracking = ""
    lines: Lines | None = None


class SplitBody(Body, kw_only=True):
    """What is to be sent apart, later."""

    lines: Lines


class CancelBody(Body, kw_only=True):
    """Why it is not sent."""

    reason: Reason


class ShipmentQuery(ListQuery, kw_only=True):
    """Filters of the shipments."""

    order_id: OrderId = ""
    state: Annotated[str, msgspec.Meta(max_length=12)] = ""
    warehouse: Annotated[str, msgspec.Meta(max_length=40)] = ""


class ShipmentView(msgspec.Struct, kw_only=True):
    """One parcel of an order. ``on_hold``: it does not leave until its order is reviewed."""

    id: str
    order_id: str
    state: str
    on_hold: bool
    method: str
    address: PostalAddress
    lines: list[ShipmentLine]
    tracking_number: str
    tracking_url: str
    created_at: datetime
    dispatched_at: datetime | None
    delivered_at: datetime | None


class PickQuery(Query, kw_only=True):
    """Which warehouse, and until which day; today if none is given."""

    warehouse: Code = "main"
    day: date | None = None


class PickLineView(msgspec.Struct, kw_only=True):
    """So many of a SKU to fetch, for the shipments named."""

    sku: str
    name: str
    quantity: int
    shipments: list[str]


class PickListView(msgspec.Struct, kw_only=True):
    """What one warehouse is to pick. ``more``: it was cut; pick these and ask again."""

    warehouse: str
    day: date
    lines: list[PickLineView]
    shipments: list[ShipmentView]
    more: bool


def shipment_of(row: Shipment) -> ShipmentView:
    return ShipmentView(
        id=shipment_ids.text(row.id),
        order_id=order_ids.text(row.order_id),
        state=row.state.value,
        on_hold=row.on_hold,
        method=row.method,
        address=row.address,
        lines=list(row.lines),
        tracking_number=row.tracking_number,
        tracking_url=row.tracking_url,
        created_at=row.created_at,
        dispatched_at=row.dispatched_at,
        delivered_at=row.delivered_at,
    )


def pick_list_of(picks: PickList) -> PickListView:
    return PickListView(
        warehouse=picks.warehouse,
        day=picks.day,
        lines=[
            PickLineView(
                sku=line.sku,
                name=line.name,
                quantity=line.quantity,
                shipments=list(line.shipments),
            )
            for line in picks.lines
        ],
        shipments=[shipment_of(shipment) for shipment in picks.shipments],
        more=picks.more,
    )


def shipment_lines(lines: list[LineBody] | None) -> tuple[ShipmentLine, ...]:
    return tuple(
        ShipmentLine(sku=line.sku, name="", quantity=line.quantity) for line in lines or ()
    )
