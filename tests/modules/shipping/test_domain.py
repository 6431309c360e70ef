"""Zones, prices, promised dates and states; pure rules."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.shipping.contract import ShipmentState
from modules.shipping.domain import (
    TRANSITIONS,
    AreaRule,
    PriceBracket,
    Tariff,
    ZoneRate,
    all_arrived,
    may_become,
    nothing_remains,
    overlapping,
    tracking_url,
)
from tests.modules.shipping.orders import FRIDAY, address, parcel

S = ShipmentState
AREAS = (
    AreaRule(zone="world"),
    AreaRule(zone="home", country="DE"),
    AreaRule(zone="bavaria", country="DE", region="Bayern"),
    AreaRule(zone="islands", country="DE", postal_prefix="27498"),
    AreaRule(zone="north", country="DE", postal_prefix="27"),
)


def rate(method: str = "standard", *, zone: str = "home", **fields: object) -> ZoneRate:
    """A rate of 490 for everything unless said otherwise."""
    given = {
        "name": method.title(),
        "currency": "EUR",
        "tax_basis_points": 1_900,
        "min_days": 2,
        "max_days": 4,
        "free_above": None,
        "brackets": (PriceBracket(price=490),),
    } | fields
    return ZoneRate(zone=zone, method=method, **given)  # type: ignore[arg-type]


def tariff(*rates: ZoneRate, holidays: frozenset[date] = frozenset()) -> Tariff:
    """A tariff over AREAS."""
    return Tariff(areas=AREAS, rates=rates, holidays=holidays)


@pytest.mark.parametrize(
    ("where", "zone"),
    [
        (address("FR"), "world"),
        (address("DE"), "home"),
        (address("de"), "home"),
        (address("DE", region="bayern "), "bavaria"),
        (address("DE", postal_code="27498"), "islands"),
        (address("DE", postal_code="27 498"), "islands"),
        (address("DE", postal_code="27100", region="Bayern"), "north"),
        (address("FR", postal_code="27498"), "world"),
    ],
)
def test_the_most_specific_area_decides(where: object, zone: str) -> None:
    """A longer postal prefix before a region before a country before everywhere."""
    assert tariff().zone_of(where) == zone  # type: ignore[arg-type]


def test_an_address_in_no_area_has_no_zone() -> None:
    """Without a worldwide area not everybody is reached."""
    assert Tariff(areas=AREAS[1:2], rates=(), holidays=frozenset()).zone_of(address("FR")) is None


def test_brackets_by_weight_and_value_decide_the_price() -> None:
    """Each bracket holds [from, below)."""
    brackets = (
        PriceBracket(price=500, weight_below=1_000),
        PriceBracket(price=900, weight_from=1_000, weight_below=5_000, value_below=10_000),
        PriceBracket(price=700, weight_from=1_000, weight_below=5_000, value_from=10_000),
    )
    found = rate(brackets=brackets)
    prices = {
        (grams, value): found.price(parcel(grams, value, "EUR"))
        for grams, value in [(999, 1), (1_000, 9_999), (4_999, 10_000), (5_000, 1)]
    }
    assert [price and price.amount for price in prices.values()] == [500, 900, 700, None]


def test_delivery_is_free_from_a_goods_value_on() -> None:
    """From exactly that value; and only in the rate's own currency."""
    found = rate(free_above=5_000)
    assert found.price(parcel(1, 4_999, "EUR")).amount == 490  # type: ignore[union-attr]
    assert found.price(parcel(1, 5_000, "EUR")).amount == 0  # type: ignore[union-attr]
    assert found.price(parcel(1, 5_000, "USD")) is None


def test_quotes_come_cheapest_first() -> None:
    """Then fastest; methods of other zones are not offered."""
    express = rate("express", min_days=1, max_days=1, brackets=(PriceBracket(price=990),))
    slow = rate("slow", max_days=9)
    abroad = rate("abroad", zone="world")
    quotes = tariff(express, slow, rate(), abroad).quotes(
        address("DE"), parcel(currency="EUR"), now=FRIDAY
    )
    assert [quote.method for quote in quotes] == ["standard", "slow", "express"]


@pytest.mark.parametrize(
    ("now", "picked"),
    [
        (datetime(2026, 11, 20, 13, 59, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 20, 14, 0, tzinfo=UTC), date(2026, 11, 23)),
        (datetime(2026, 11, 21, 9, 0, tzinfo=UTC), date(2026, 11, 23)),
    ],
)
def test_an_order_after_the_cutoff_is_picked_on_the_next_business_day(
    now: datetime, picked: date
) -> None:
    """Fridays before 14:00 count; weekends do not."""
    assert tariff().pick_day(now) == picked


def test_promised_dates_skip_weekends_and_holidays() -> None:
    """Two to four business days from Friday, with Tuesday off."""
    off = frozenset({date(2026, 11, 24)})
    (quote,) = tariff(rate(), holidays=off).quotes(
        address("DE"), parcel(currency="EUR"), now=FRIDAY
    )
    assert (quote.earliest, quote.latest) == (date(2026, 11, 25), date(2026, 11, 27))


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 30))
def test_a_business_day_is_never_a_weekend_and_grows_with_the_days(day: date, days: int) -> None:
    """One more business day is a later date."""
    found = tariff().business_day(day, days)
    assert found >= day
    assert found.weekday() < 5
    assert tariff().business_day(day, days + 1) > found


def test_overlapping_brackets_are_found() -> None:
    """Two prices for one parcel are a mistake; touching brackets are not."""
    light = PriceBracket(price=1, weight_below=1_000)
    assert overlapping([light, PriceBracket(price=2, weight_from=1_000)]) is None
    assert overlapping([light, PriceBracket(price=2, weight_from=999)]) == (0, 1)
    assert overlapping([light, PriceBracket(price=2, value_from=5)]) == (0, 1)


def test_a_shipment_moves_only_forward_once_it_has_left() -> None:
    """The table's own shape: delivered and cancelled are ends; what left cannot be cancelled."""
    assert set(TRANSITIONS) == set(S)
    assert not may_become(S.DISPATCHED, S.CANCELLED)
    assert not TRANSITIONS[S.DELIVERED]
    assert not TRANSITIONS[S.CANCELLED]
    assert may_become(S.PENDING, S.DISPATCHED)


def test_completeness_looks_at_all_parcels() -> None:
    """Cancelled parcels do not stand in the way; waiting ones do."""
    assert nothing_remains([S.DISPATCHED, S.CANCELLED])
    assert not nothing_remains([S.DISPATCHED, S.PICKING])
    assert all_arrived([S.DELIVERED, S.CANCELLED])
    assert not all_arrived([S.DELIVERED, S.DISPATCHED])


def test_a_tracking_number_is_quoted_into_the_carriers_address() -> None:
    """Odd characters cannot leave their place; without a number there is no address."""
    assert tracking_url("https://c.test/?n={number}", "A/1&x") == "https://c.test/?n=A%2F1%26x"
    assert tracking_url("https://c.test/?n={number}", "") == ""
    assert tracking_url("", "1") == ""
