"""The tariff in force, kept in this process for a few seconds: quotes cost no query."""

from __future__ import annotations

import time
from threading import Lock

from modules.platform.databases import atomic
from modules.shipping.domain import AreaRule, PriceBracket, Tariff, ZoneRate
from modules.shipping.models import Area, Bracket, Holiday, Rate

KEPT = 5.0  # seconds; a price changed elsewhere is quoted after that at the latest

_lock = Lock()
_known: tuple[float, Tariff] | None = None


def current() -> Tariff:
    """The tariff as it was at most ``KEPT`` seconds ago."""
    global _known
    known = _known
    if known is not None and time.monotonic() - known[0] < KEPT:
        return known[1]
    read_at = time.monotonic()
    tariff = read()
    with _lock:
        # A shop without rates is being set up: look again each time.
        _known = (read_at, tariff) if tariff.rates else None
    return tariff


def forget() -> None:
    """Read it anew at the next question: it was changed here."""
    global _known
    with _lock:
        _known = None


def read() -> Tariff:
    """The tariff from the database, in four queries."""
    with atomic("shipping"):
        areas = Area.objects.filter(zone__active=True).values_list(
            "zone__code", "country", "region", "postal_prefix"
        )
        rates = Rate.objects.filter(zone__active=True, method__active=True).select_related(
            "zone", "method"
        )
        brackets: dict[object, list[PriceBracket]] = {}
        for bracket in Bracket.objects.all():
            brackets.setdefault(bracket.rate_id, []).append(_bracket(bracket))
        return Tariff(
            areas=tuple(
                AreaRule(zone=zone, country=country, region=region, postal_prefix=prefix)
                for zone, country, region, prefix in areas
            ),
            rates=tuple(_rate(rate, brackets.get(rate.pk, [])) for rate in rates),
            holidays=frozenset(Holiday.objects.values_list("day", flat=True)),
        )


def _rate(rate: Rate, brackets: list[PriceBracket]) -> ZoneRate:
    return ZoneRate(
        zone=rate.zone.code,
        method=rate.method.code,
        name=rate.method.name,
        currency=rate.currency,
        tax_basis_points=rate.method.tax_basis_points,
        min_days=rate.min_days,
        max_days=rate.max_days,
        free_above=rate.free_above,
        brackets=tuple(brackets),
    )


def _bracket(row: Bracket) -> PriceBracket:
    return PriceBracket(
        price=row.price,
        weight_from=row.weight_from,
        weight_below=row.weight_below,
        value_from=row.value_from,
        value_below=row.value_below,
    )
