"""Shipping's rules, without a database: zones, prices, promised dates, states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import quote

from modules.platform.contracts import Money, PostalAddress
from modules.shipping.contract import Parcel, ShipmentState, ShippingQuote

CUTOFF = time(14, 0)  # UTC; what is ordered later is picked on the next business day

S = ShipmentState
TRANSITIONS: dict[ShipmentState, frozenset[ShipmentState]] = {
    S.PENDING: frozenset({S.PICKING, S.DISPATCHED, S.CANCELLED}),
    S.PICKING: frozenset({S.PENDING, S.DISPATCHED, S.CANCELLED}),
    S.DISPATCHED: frozenset({S.DELIVERED}),
    S.DELIVERED: frozenset(),
    S.CANCELLED: frozenset(),
}
HERE = frozenset({S.PENDING, S.PICKING})  # has not left
GONE = frozenset({S.DISPATCHED, S.DELIVERED})


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaRule:
    """An area of a zone; empty fields match anything."""

    zone: str
    country: str = ""
    region: str = ""
    postal_prefix: str = ""

    def contains(self, address: PostalAddress) -> bool:
        return (
            self.country in ("", address.country.upper())
            and (not self.region or self.region.casefold() == address.region.strip().casefold())
            and plain(address.postal_code).startswith(plain(self.postal_prefix))
        )

    @property
    def weight(self) -> tuple[int, bool, bool]:
        """How specific it is: a longer postal prefix before a region before a country."""
        return len(plain(self.postal_prefix)), bool(self.region), bool(self.country)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBracket:
    """A price for weights (grams) and goods values in [from, below)."""

    price: int
    weight_from: int = 0
    weight_below: int | None = None
    value_from: int = 0
    value_below: int | None = None

    def contains(self, parcel: Parcel) -> bool:
        return _within(parcel.weight_grams, self.weight_from, self.weight_below) and _within(
            parcel.value.amount, self.value_from, self.value_below
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRate:
    """What a method costs in a zone. ``min_days`` and ``max_days`` are business days."""

    zone: str
    method: str
    name: str
    currency: str
    tax_basis_points: int
    min_days: int
    max_days: int
    free_above: int | None
    brackets: tuple[PriceBracket, ...]

    def price(self, parcel: Parcel) -> Money | None:
        """None when it does not take the parcel."""
        if parcel.value.currency != self.currency:
            return None
        prices = [bracket.price for bracket in self.brackets if bracket.contains(parcel)]
        if not prices:
            return None
        free = self.free_above is not None and parcel.value.amount >= self.free_above
        return Money(amount=0 if free else min(prices), currency=self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """All that quotes are made of."""

    areas: tuple[AreaRule, ...]
    rates: tuple[ZoneRate, ...]
    holidays: frozenset[date]

    def zone_of(self, address: PostalAddress) -> str | None:
        """The zone of the most specific area that contains the address."""
        found = [area for area in self.areas if area.contains(address)]
        return max(found, key=lambda area: area.weight).zone if found else None

    def quotes(
        self, address: PostalAddress, parcel: Parcel, *, now: datetime
    ) -> tuple[ShippingQuote, ...]:
        """The methods offered, cheapest first, then fastest."""
        zone = self.zone_of(address)
        start = self.pick_day(now)
        found = [
            self._quote(rate, price, start)
            for rate in self.rates
            if rate.zone == zone and (price := rate.price(parcel)) is not None
        ]
        return tuple(sorted(found, key=lambda q: (q.price.amount, q.latest, q.method)))

    def pick_day(self, now: datetime) -> date:
        """The business day on which an order of ``now`` (UTC) is picked."""
        day = now.date() if now.time() < CUTOFF else now.date() + timedelta(days=1)
        return self.business_day(day, 0)

    def business_day(self, day: date, days: int) -> date:
        """``days`` business days after ``day``, or after the first one that is not before it."""
        while self._is_off(day):
            day += timedelta(days=1)
        for _ in range(days):
            day += timedelta(days=1)
            while self._is_off(day):
                day += timedelta(days=1)
        return day

    def promised_by(self, method: str, address: PostalAddress, picked_on: date) -> date | None:
        """The latest day on which ``method`` arrives; None when it does not go there."""
        zone = self.zone_of(address)
        days = [r.max_days for r in self.rates if (r.zone, r.method) == (zone, method)]
        return self.business_day(picked_on, max(days)) if days else None

    def _is_off(self, day: date) -> bool:
        return day.weekday() >= 5 or day in self.holidays

    def _quote(self, rate: ZoneRate, price: Money, start: date) -> ShippingQuote:
        return ShippingQuote(
            method=rate.method,
            name=rate.name,
            price=price,
            tax_basis_points=rate.tax_basis_points,
            earliest=self.business_day(start, rate.min_days),
            latest=self.business_day(start, rate.max_days),
        )


def overlapping(brackets: Sequence[PriceBracket]) -> tuple[int, int] | None:
    """The positions of two brackets that hold the same parcels; None when each is alone."""
    for one, left in enumerate(brackets):
        for other, right in enumerate(brackets[one + 1 :], start=one + 1):
            if _cross(
                (left.weight_from, left.weight_below), (right.weight_from, right.weight_below)
            ) and _cross(
                (left.value_from, left.value_below), (right.value_from, right.value_below)
            ):
                return one, other
    return None


def plain(postal_code: str) -> str:
    """A postal code without spaces and hyphens, in upper case: how prefixes are compared."""
    return postal_code.replace(" ", "").replace("-", "").upper()


def tracking_url(template: str, number: str) -> str:
    """The carrier's page for a parcel; empty without template or number."""
    return template.replace("{number}", quote(number, safe="")) if template and number else ""


def may_become(state: ShipmentState, target: ShipmentState) -> bool:
    return target in TRANSITIONS[state]


def nothing_remains(states: Sequence[ShipmentState]) -> bool:
    """Whether all of an order that is to be sent has left."""
    return not any(state in HERE for state in states)


def all_arrived(states: Sequence[ShipmentState]) -> bool:
    """Whether all parcels of an order that were not cancelled have arrived."""
    return all(state in (S.DELIVERED, S.CANCELLED) for state in states)


def _within(amount: int, start: int, below: int | None) -> bool:
    return start <= amount and (below is None or amount < below)


def _cross(one: tuple[int, int | None], other: tuple[int, int | None]) -> bool:
    return (one[1] is None or other[0] < one[1]) and (other[1] is None or one[0] < other[1])
