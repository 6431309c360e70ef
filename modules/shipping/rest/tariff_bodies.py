"""Bodies and queries of the tariff."""

from __future__ import annotations

from typing import Annotated

import msgspec

from modules.platform.rest.pagination import ListQuery
from modules.shipping.domain import AreaRule, PriceBracket
from modules.shipping.queries.tariff import CarrierRow, MethodRow, RateRow, ZoneRow
from modules.shipping.rest.serializers import Body, Code, Currency, Grams, Minor

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
AreaCountry = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{2})?$")]
Days = Annotated[int, msgspec.Meta(ge=0, le=365)]
BasisPoints = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


class AreaBody(Body, kw_only=True):
    """Part of a zone. Empty fields match anything; an empty country means everywhere."""

    country: AreaCountry = ""
    region: Annotated[str, msgspec.Meta(max_length=80)] = ""
    postal_prefix: Annotated[str, msgspec.Meta(max_length=16)] = ""


class ZoneChange(Body, kw_only=True):
    """A zone's new contents."""

    name: Name
    areas: Annotated[list[AreaBody], msgspec.Meta(max_length=1_000)]
    active: bool = True

    def rules(self, code: str) -> list[AreaRule]:
        return [
            AreaRule(
                zone=code,
                country=area.country,
                region=area.region,
                postal_prefix=area.postal_prefix,
            )
            for area in self.areas
        ]


class ZoneBody(ZoneChange, kw_only=True):
    """A new zone."""

    code: Code


class ZoneView(msgspec.Struct, kw_only=True):
    """Places that cost the same to reach."""

    code: str
    name: str
    active: bool
    areas: list[AreaBody]


class CarrierBody(Body, kw_only=True):
    """A new carrier. ``{number}`` in the template is the tracking number."""

    code: Code
    name: Name
    tracking_template: Annotated[
        str, msgspec.Meta(max_length=500, pattern=r"^(https?://[\x21-\x7e]+)?$")
    ] = ""


class CarrierView(msgspec.Struct, kw_only=True):
    """Who drives."""

    code: str
    name: str
    tracking_template: str


class MethodChange(Body, kw_only=True):
    """A method's new settings."""

    name: Name
    carrier: Code
    tax_basis_points: BasisPoints = 0
    active: bool = True


class MethodBody(MethodChange, kw_only=True):
    """A new method."""

    code: Code


class MethodView(msgspec.Struct, kw_only=True):
    """A way of delivery that customers choose."""

    code: str
    name: str
    carrier: str
    tax_basis_points: int
    active: bool


class BracketBody(Body, kw_only=True):
    """A price for weights (grams) and goods values (minor units) in [from, below)."""

    price: Minor
    weight_from: Grams = 0
    weight_below: Grams | None = None
    value_from: Minor = 0
    value_below: Minor | None = None


class RateBody(Body, kw_only=True):
    """What a method costs in a zone, and how many business days it takes."""

    min_days: Days
    max_days: Days
    brackets: Annotated[list[BracketBody], msgspec.Meta(min_length=1, max_length=100)]
    free_above: Minor | None = None

    def as_brackets(self) -> list[PriceBracket]:
        return [PriceBracket(**msgspec.structs.asdict(bracket)) for bracket in self.brackets]


class RateView(msgspec.Struct, kw_only=True):
    """What a method costs in a zone."""

    zone: str
    method: str
    currency: Currency
    min_days: int
    max_days: int
    free_above: int | None
    brackets: list[BracketBody]


class RateQuery(ListQuery, kw_only=True):
    """Filters of the rates."""

    zone: Annotated[str, msgspec.Meta(max_length=40)] = ""
    method: Annotated[str, msgspec.Meta(max_length=40)] = ""


def zone_of(row: ZoneRow) -> ZoneView:
    return ZoneView(
        code=row.code,
        name=row.name,
        active=row.active,
        areas=[
            AreaBody(country=area.country, region=area.region, postal_prefix=area.postal_prefix)
            for area in row.areas
        ],
    )


def carrier_of(row: CarrierRow) -> CarrierView:
    return CarrierView(code=row.code, name=row.name, tracking_template=row.tracking_template)


def method_of(row: MethodRow) -> MethodView:
    return MethodView(
        code=row.code,
        name=row.name,
        carrier=row.carrier,
        tax_basis_points=row.tax_basis_points,
        active=row.active,
    )


def rate_of(row: RateRow) -> RateView:
    return RateView(
        zone=row.zone,
        method=row.method,
        currency=row.currency,
        min_days=row.min_days,
        max_days=row.max_days,
        free_above=row.free_above,
        brackets=[
            BracketBody(
                price=bracket.price,
                weight_from=bracket.weight_from,
                weight_below=bracket.weight_below,
                value_from=bracket.value_from,
                value_below=bracket.value_below,
            )
            for bracket in row.brackets
        ],
    )
