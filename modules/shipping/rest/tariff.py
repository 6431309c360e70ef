"""The tariff over HTTP: anybody reads it, staff changes it."""

from __future__ import annotations

from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import ListQuery, Page
from modules.platform.rest.problems import Problem
from modules.platform.rest.requests import ApiRequest
from modules.shipping.contract import BadTariff, TariffPartExists, UnknownTariffPart
from modules.shipping.queries import tariff
from modules.shipping.rest import tariff_bodies as t
from modules.shipping.rest.views import WRITE
from modules.shipping.service import pricing


class ZonesView(ApiView):
    """Places by what they cost to reach."""

    @operation("List zones", query=ListQuery, returns=Page[t.ZoneView])
    def get(self, request: ApiRequest, *, query: ListQuery) -> Page[t.ZoneView]:
        found, after, before = tariff.zone_page(cursor=query.cursor, limit=query.limit)
        return Page(data=[t.zone_of(row) for row in found], next=after, previous=before)

    @operation(
        "Add a zone",
        body=t.ZoneBody,
        returns={201: t.ZoneView},
        access=WRITE,
        errors=(TariffPartExists, BadTariff),
    )
    def post(self, request: ApiRequest, *, body: t.ZoneBody) -> t.ZoneView:
        pricing.add_zone(code=body.code, name=body.name, areas=body.rules(body.code))
        return t.zone_of(tariff.zone(body.code))


class ZoneView(ApiView):
    """One zone."""

    @operation(
        "Replace a zone's name and areas",
        body=t.ZoneChange,
        returns=t.ZoneView,
        access=WRITE,
        errors=(UnknownTariffPart, BadTariff),
    )
    def put(self, request: ApiRequest, *, code: str, body: t.ZoneChange) -> t.ZoneView:
        pricing.change_zone(code, name=body.name, active=body.active, areas=body.rules(code))
        return t.zone_of(tariff.zone(code))


class CarriersView(ApiView):
    """Who drives."""

    @operation("List carriers", query=ListQuery, returns=Page[t.CarrierView])
    def get(self, request: ApiRequest, *, query: ListQuery) -> Page[t.CarrierView]:
        found, after, before = tariff.carrier_page(cursor=query.cursor, limit=query.limit)
        return Page(data=[t.carrier_of(row) for row in found], next=after, previous=before)

    @operation(
        "Add a carrier",
        body=t.CarrierBody,
        returns={201: t.CarrierView},
        access=WRITE,
        errors=(TariffPartExists, BadTariff),
    )
    def post(self, request: ApiRequest, *, body: t.CarrierBody) -> t.CarrierView:
        pricing.add_carrier(
            code=body.code, name=body.name, tracking_template=body.tracking_template
        )
        return t.carrier_of(tariff.carrier(body.code))


class MethodsView(ApiView):
    """Ways of delivery."""

    @operation("List methods", query=ListQuery, returns=Page[t.MethodView])
    def get(self, request: ApiRequest, *, query: ListQuery) -> Page[t.MethodView]:
        found, after, before = tariff.method_page(cursor=query.cursor, limit=query.limit)
        return Page(data=[t.method_of(row) for row in found], next=after, previous=before)

    @operation(
        "Add a method",
        body=t.MethodBody,
        returns={201: t.MethodView},
        access=WRITE,
        errors=(TariffPartExists, UnknownTariffPart),
    )
    def post(self, request: ApiRequest, *, body: t.MethodBody) -> t.MethodView:
        pricing.add_method(
            code=body.code,
            name=body.name,
            carrier=body.carrier,
            tax_basis_points=body.tax_basis_points,
        )
        return t.method_of(tariff.method(body.code))


class MethodView(ApiView):
    """One method."""

    @operation(
        "Replace a method's settings",
        body=t.MethodChange,
        returns=t.MethodView,
        access=WRITE,
        errors=(UnknownTariffPart,),
    )
    def put(self, request: ApiRequest, *, code: str, body: t.MethodChange) -> t.MethodView:
        pricing.change_method(
            code,
            name=body.name,
            carrier=body.carrier,
            tax_basis_points=body.tax_basis_points,
            active=body.active,
        )
        return t.method_of(tariff.method(code))


class RatesView(ApiView):
    """What methods cost in zones."""

    @operation("List rates", query=t.RateQuery, returns=Page[t.RateView])
    def get(self, request: ApiRequest, *, query: t.RateQuery) -> Page[t.RateView]:
        found, after, before = tariff.rate_page(
            zone=query.zone, method=query.method, cursor=query.cursor, limit=query.limit
        )
        return Page(data=[t.rate_of(row) for row in found], next=after, previous=before)


class RateView(ApiView):
    """One rate: a method in a zone and a currency."""

    @operation(
        "Set a rate",
        body=t.RateBody,
        returns=t.RateView,
        access=WRITE,
        errors=(UnknownTariffPart, BadTariff),
    )
    def put(
        self, request: ApiRequest, *, zone: str, method: str, currency: str, body: t.RateBody
    ) -> t.RateView:
        if len(currency) != 3 or not currency.isalpha() or not currency.isupper():
            raise Problem.invalid("path/currency", "not a three-letter currency code")
        pricing.set_rate(
            zone=zone,
            method=method,
            currency=currency,
            min_days=body.min_days,
            max_days=body.max_days,
            free_above=body.free_above,
            brackets=body.as_brackets(),
        )
        return t.rate_of(tariff.rate(zone=zone, method=method, currency=currency))

    @operation("Remove a rate", access=WRITE, errors=(UnknownTariffPart,))
    def delete(self, request: ApiRequest, *, zone: str, method: str, currency: str) -> None:
        pricing.remove_rate(zone=zone, method=method, currency=currency)
