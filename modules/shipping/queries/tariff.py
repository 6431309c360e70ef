"""The tariff as people read and edit it; ``service.tariff`` has it as quotes need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from modules.platform.rest.pagination import keyset
from modules.shipping.contract import UnknownTariffPart
from modules.shipping.domain import AreaRule, PriceBracket
from modules.shipping.models import Carrier, Method, Rate, Zone

T = TypeVar("T")
Listed = tuple[list[T], str | None, str | None]  # rows, next cursor, previous cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRow:
    """A zone with its areas."""

    code: str
    name: str
    active: bool
    areas: tuple[AreaRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierRow:
    """A carrier."""

    code: str
    name: str
    tracking_template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRow:
    """A method; ``carrier`` is the carrier's code."""

    code: str
    name: str
    carrier: str
    tax_basis_points: int
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow:
    """A rate with its brackets; ``zone`` and ``method`` are codes."""

    zone: str
    method: str
    currency: str
    min_days: int
    max_days: int
    free_above: int | None
    brackets: tuple[PriceBracket, ...]


def zone_page(*, cursor: str, limit: int) -> Listed[ZoneRow]:
    """Zones by code. Two queries."""
    rows = Zone.objects.prefetch_related("areas")
    found, after, before = keyset(rows, order=("code",), cursor=cursor, limit=limit)
    return [_zone(row) for row in found], after, before


def carrier_page(*, cursor: str, limit: int) -> Listed[CarrierRow]:
    """Carriers by code."""
    found, after, before = keyset(
        Carrier.objects.all(), order=("code",), cursor=cursor, limit=limit
    )
    return [_carrier(row) for row in found], after, before


def method_page(*, cursor: str, limit: int) -> Listed[MethodRow]:
    """Methods by code. One query."""
    rows = Method.objects.select_related("carrier")
    found, after, before = keyset(rows, order=("code",), cursor=cursor, limit=limit)
    return [_method(row) for row in found], after, before


def rate_page(*, zone: str, method: str, cursor: str, limit: int) -> Listed[RateRow]:
    """Rates, of one zone or method if named. Two queries."""
    rows = Rate.objects.select_related("zone", "method").prefetch_related("brackets")
    if zone:
        rows = rows.filter(zone__code=zone)
    if method:
        rows = rows.filter(method__code=method)
    found, after, before = keyset(rows, order=("id",), cursor=cursor, limit=limit)
    return [_rate(row) for row in found], after, before


def zone(code: str) -> ZoneRow:
    """One zone. Raises UnknownTariffPart."""
    row = Zone.objects.filter(code=code).first()
    if row is None:
        raise UnknownTariffPart(part="zone", name=code)
    return _zone(row)


def carrier(code: str) -> CarrierRow:
    """One carrier. Raises UnknownTariffPart."""
    row = Carrier.objects.filter(code=code).first()
    if row is None:
        raise UnknownTariffPart(part="carrier", name=code)
    return _carrier(row)


def method(code: str) -> MethodRow:
    """One method. Raises UnknownTariffPart."""
    row = Method.objects.select_related("carrier").filter(code=code).first()
    if row is None:
        raise UnknownTariffPart(part="method", name=code)
    return _method(row)


def rate(*, zone: str, method: str, currency: str) -> RateRow:
    """One rate. Raises UnknownTariffPart."""
    rows = Rate.objects.select_related("zone", "method")
    row = rows.filter(zone__code=zone, method__code=method, currency=currency).first()
    if row is None:
        raise UnknownTariffPart(part="rate", name=f"{zone}/{method}/{currency}")
    return _rate(row)


def _zone(row: Zone) -> ZoneRow:
    return ZoneRow(
        code=row.code,
        name=row.name,
        active=row.active,
        areas=tuple(
            AreaRule(
                zone=row.code,
                country=area.country,
                region=area.region,
                postal_prefix=area.postal_prefix,
            )
            for area in row.areas.all()
        ),
    )


def _carrier(row: Carrier) -> CarrierRow:
    return CarrierRow(code=row.code, name=row.name, tracking_template=row.tracking_template)


def _method(row: Method) -> MethodRow:
    return MethodRow(
        code=row.code,
        name=row.name,
        carrier=row.carrier.code,
        tax_basis_points=row.tax_basis_points,
        active=row.active,
    )


def _rate(row: Rate) -> RateRow:
    return RateRow(
        zone=row.zone.code,
        method=row.method.code,
        currency=row.currency,
        min_days=row.min_days,
        max_days=row.max_days,
        free_above=row.free_above,
        brackets=tuple(
            PriceBracket(
                price=bracket.price,
                weight_from=bracket.weight_from,
                weight_below=bracket.weight_below,
                value_from=bracket.value_from,
                value_below=bracket.value_below,
            )
            for bracket in row.brackets.all()
        ),
    )
