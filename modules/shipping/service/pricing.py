"""Changing the tariff: carriers, methods, zones and rates. Each use case is one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from modules.platform.databases import alias_of, atomic
from modules.shipping.contract import BadTariff, TariffPartExists, UnknownTariffPart
from modules.shipping.domain import AreaRule, PriceBracket, overlapping
from modules.shipping.models import Area, Bracket, Carrier, Method, Rate, Zone
from modules.shipping.service import tariff


def add_carrier(*, code: str, name: str, tracking_template: str) -> Carrier:
    """A new carrier. Raises TariffPartExists, BadTariff for a template without ``{number}``."""
    if tracking_template and "{number}" not in tracking_template:
        raise BadTariff(reason="A tracking template needs the place {number}.")
    with _changing("carrier", code):
        return Carrier.objects.create(code=code, name=name, tracking_template=tracking_template)


def add_method(*, code: str, name: str, carrier: str, tax_basis_points: int) -> Method:
    """A new method of delivery. Raises TariffPartExists, UnknownTariffPart."""
    with _changing("method", code):
        return Method.objects.create(
            code=code, name=name, carrier=_carrier(carrier), tax_basis_points=tax_basis_points
        )


def change_method(
    code: str, *, name: str, carrier: str, tax_basis_points: int, active: bool
) -> Method:
    """Replace a method's settings. Raises UnknownTariffPart."""
    with _changing("method", code):
        method = _method(code)
        method.name, method.carrier, method.active = name, _carrier(carrier), active
        method.tax_basis_points = tax_basis_points
        method.save()
        return method


def add_zone(*, code: str, name: str, areas: Sequence[AreaRule]) -> Zone:
    """A new zone. Raises TariffPartExists, BadTariff."""
    with _changing("zone", code):
        zone = Zone.objects.create(code=code, name=name)
        _set_areas(zone, areas)
        return zone


def change_zone(code: str, *, name: str, active: bool, areas: Sequence[AreaRule]) -> Zone:
    """Replace a zone's name and areas. Raises UnknownTariffPart, BadTariff."""
    with _changing("zone", code):
        zone = _zone(code)
        zone.name, zone.active = name, active
        zone.save()
        zone.areas.all().delete()
        _set_areas(zone, areas)
        return zone


def set_rate(
    *,
    zone: str,
    method: str,
    currency: str,
    min_days: int,
    max_days: int,
    free_above: int | None,
    brackets: Sequence[PriceBracket],
) -> Rate:
    """What ``method`` costs in ``zone`` from now on. Raises UnknownTariffPart, BadTariff."""
    if max_days < min_days:
        raise BadTariff(reason="max_days is less than min_days.")
    if clash := overlapping(brackets):
        raise BadTariff(reason=f"Two brackets hold the same parcels: {clash[0]} and {clash[1]}.")
    with _changing("rate", f"{zone}/{method}/{currency}"):
        rate, _ = Rate.objects.update_or_create(
            zone=_zone(zone),
            method=_method(method),
            currency=currency,
            defaults={"min_days": min_days, "max_days": max_days, "free_above": free_above},
        )
        rate.brackets.all().delete()
        Bracket.objects.bulk_create([_bracket(rate, bracket) for bracket in brackets])
        return rate


def remove_rate(*, zone: str, method: str, currency: str) -> None:
    """Offer ``method`` in ``zone`` no longer. Raises UnknownTariffPart."""
    name = f"{zone}/{method}/{currency}"
    with _changing("rate", name):
        rows = Rate.objects.filter(zone__code=zone, method__code=method, currency=currency)
        if not rows.delete()[0]:
            raise UnknownTariffPart(part="rate", name=name)


@contextmanager
def _changing(part: str, name: str) -> Iterator[None]:
    try:
        with atomic("shipping"):
            transaction.on_commit(tariff.forget, using=alias_of("shipping"))
            yield
    except IntegrityError as error:
        if "shipping_area" in str(error):
            raise BadTariff(
                reason="An area is in another zone already, or contradicts itself."
            ) from error
        if "shipping_bracket" in str(error):
            raise BadTariff(reason="A bracket ends before it begins.") from error
        raise TariffPartExists(part=part, name=name) from error


def _set_areas(zone: Zone, areas: Sequence[AreaRule]) -> None:
    Area.objects.bulk_create(
        [
            Area(
                zone=zone,
                country=area.country,
                region=area.region,
                postal_prefix=area.postal_prefix,
            )
            for area in areas
        ]
    )


def _bracket(rate: Rate, bracket: PriceBracket) -> Bracket:
    return Bracket(
        rate=rate,
        price=bracket.price,
        weight_from=bracket.weight_from,
        weight_below=bracket.weight_below,
        value_from=bracket.value_from,
        value_below=bracket.value_below,
    )


def _carrier(code: str) -> Carrier:
    found = Carrier.objects.filter(code=code).first()
    if found is None:
        raise UnknownTariffPart(part="carrier", name=code)
    return found


def _method(code: str) -> Method:
    found = Method.objects.filter(code=code).first()
    if found is None:
        raise UnknownTariffPart(part="method", name=code)
    return found


def _zone(code: str) -> Zone:
    found = Zone.objects.filter(code=code).first()
    if found is None:
        raise UnknownTariffPart(part="zone", name=code)
    return found
