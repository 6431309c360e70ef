"""Rate limits: what gets through, what is told, whom it counts for, and what is remembered."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler_proxy.config import RateLimit
from strangler_proxy.limits.local import FREE, GRACE, Limiter, Verdict, network

HOUR = RateLimit(requests=3, seconds=3600)
ITEM = re.compile(rb'"([a-z_-]+)";r=(\d+);t=(\d+)')
NOWS = st.sampled_from([0.0, 0.1, 12345.678, 8.64e7, 1.8e9])
RATES = st.builds(
    RateLimit,
    requests=st.integers(1, 40) | st.sampled_from([1000, 1_000_000]),
    seconds=st.floats(0.05, 100) | st.sampled_from([1.0, 60.0, 3600.0, 86400.0]),
)
GAPS = st.lists(st.just(0.0) | st.floats(0, 0.2) | st.floats(0, 5), min_size=1, max_size=60)


def limiter(**limits: RateLimit) -> Limiter:
    return Limiter(limits)


def told(verdict: Verdict) -> dict[str, tuple[int, int]]:
    """The RateLimit field: requests left and seconds, by name."""
    value = dict(verdict.headers)[b"RateLimit"]
    return {name.decode(): (int(r), int(t)) for name, r, t in ITEM.findall(value)}


# ---------------------------------------------------------------- what gets through


@given(rate=RATES, start=NOWS)
def test_a_burst_is_exactly_the_quota(rate: RateLimit, start: float) -> None:
    """All of it at once and not one more, however large the numbers of the clock are."""
    limits = limiter(a=rate)
    tries = min(rate.requests, 2000)
    if tries == rate.requests:
        assert all(limits.take(("a",), "x", "", start).allowed for _ in range(tries))
        assert not limits.take(("a",), "x", "", start).allowed


@given(rate=RATES, start=NOWS, gaps=GAPS)
def test_no_period_lets_more_through_than_the_quota_and_its_refill(
    rate: RateLimit, start: float, gaps: list[float]
) -> None:
    """Between any two moments: ``requests * (1 + T / seconds)``, with the grace."""
    limits, now, times = limiter(a=rate), start, []
    for gap in gaps:
        now += gap * rate.seconds / 5
        while limits.take(("a",), "x", "", now).allowed and len(times) < 500:
            times.append(now)
    per_second = rate.requests / rate.seconds
    for first in range(0, len(times), 7):
        for last in range(first, len(times), 5):
            period = times[last] - times[first] + 2 * GRACE
            assert last - first + 1 <= rate.requests + period * per_second + 1e-6


@given(rate=RATES, start=NOWS, gaps=GAPS)
def test_it_decides_as_exact_arithmetic_does(
    rate: RateLimit, start: float, gaps: list[float]
) -> None:
    """Who is refused has used too much; who is not has at most come early by the grace."""
    limits, now = limiter(a=rate), start
    full = Fraction(0)
    per_second = Fraction(rate.requests) / Fraction(rate.seconds)
    for gap in gaps:
        now += gap * rate.seconds / 10
        level = Fraction(now) * per_second
        used = max(full, level) + 1 - level
        if limits.take(("a",), "x", "", now).allowed:
            full = used + level
            assert used <= rate.requests + 2 * Fraction(GRACE) * per_second
        else:
            assert used > rate.requests


@given(rate=RATES, start=NOWS, gaps=GAPS)
def test_who_waits_as_long_as_told_is_let_through(
    rate: RateLimit, start: float, gaps: list[float]
) -> None:
    """Retry-After is whole seconds, enough, and not a second more than needed."""
    limits, now = limiter(a=rate), start
    for gap in gaps:
        now += gap * rate.seconds / 20
        for _ in range(min(rate.requests, 50) + 1):
            verdict = limits.take(("a",), "x", "", now)
            if not verdict.allowed:
                break
        if not verdict.allowed:
            assert verdict.retry_after == int(verdict.retry_after) >= 1
            assert verdict.retry_after <= max(1, math.ceil(rate.seconds / rate.requests))
            early = now + verdict.retry_after - 1.001
            assert early < now or not limits.take(("a",), "x", "", early).allowed
            now += verdict.retry_after
            assert limits.take(("a",), "x", "", now).allowed


@given(rate=RATES, start=NOWS)
def test_an_even_stream_at_the_rate_is_never_refused(rate: RateLimit, start: float) -> None:
    """One request every ``seconds / requests``, from a bucket that is empty."""
    limits = limiter(a=rate)
    for _ in range(min(rate.requests, 1000)):
        limits.take(("a",), "x", "", start)
    for number in range(1, 100):
        now = start + number * rate.seconds / rate.requests
        assert limits.take(("a",), "x", "", now).allowed


@given(rate=RATES, start=NOWS, gaps=GAPS)
def test_what_is_told_to_be_left_can_be_used(
    rate: RateLimit, start: float, gaps: list[float]
) -> None:
    """``r`` requests more at once and no further; ``t`` seconds later there are more than ``r``."""
    limits, now = limiter(a=rate), start
    for gap in gaps:
        now += gap * rate.seconds / 5
        verdict = limits.take(("a",), "x", "", now)
    left, seconds = told(verdict)["a"]
    if left > 200:
        return
    for further in range(left - 1, -1, -1):
        verdict = limits.take(("a",), "x", "", now)
        assert (verdict.allowed, told(verdict)["a"][0]) == (True, further)
    assert not limits.take(("a",), "x", "", now).allowed
    assert limits.take(("a",), "x", "", now + max(seconds, 1)).allowed


def test_time_that_stands_still_or_goes_back_gives_nothing() -> None:
    """A clock that is not monotonic cannot be used to get more."""
    limits = limiter(a=HOUR)
    allowed = [limits.take(("a",), "x", "", 1e6 - step // 9).allowed for step in range(50)]
    assert allowed == [True] * 3 + [False] * 47


# ---------------------------------------------------------------- several limits


def test_a_request_must_fit_all_limits() -> None:
    """The tightest one decides, and the refusal names it."""
    limits = limiter(
        minute=RateLimit(requests=2, seconds=60), day=RateLimit(requests=9, seconds=86400)
    )
    for _ in range(2):
        assert limits.take(("minute", "day"), "x", "", 0.0).allowed
    verdict = limits.take(("minute", "day"), "x", "", 0.0)
    assert not verdict.allowed
    assert verdict.retry_after == 30
    assert verdict.refusal is not None
    assert verdict.refusal.detail == (
        "The limit minute of 2 requests in 60 seconds is used up; try again in 30 s."
    )
    assert told(verdict) == {"minute": (0, 30), "day": (7, 9600)}


def test_the_longest_wait_of_several_is_told() -> None:
    """Coming back earlier would be refused by the other limit."""
    one = RateLimit(requests=1, seconds=10)
    limits = limiter(a=one, b=RateLimit(requests=1, seconds=50))
    limits.take(("a", "b"), "x", "", 0.0)
    verdict = limits.take(("a", "b"), "x", "", 0.0)
    assert verdict.retry_after == 50
    assert not limits.take(("a", "b"), "x", "", 49.0).allowed
    assert limits.take(("a", "b"), "x", "", 50.0).allowed


@pytest.mark.parametrize("order", [("tight", "wide"), ("wide", "tight")])
def test_a_refused_request_uses_nothing_of_the_other_limits(order: tuple[str, str]) -> None:
    """In whatever order they are named."""
    limits = limiter(
        tight=RateLimit(requests=1, seconds=3600), wide=RateLimit(requests=5, seconds=3600)
    )
    for _ in range(50):
        limits.take(order, "x", "", 0.0)
    assert sum(limits.take(("wide",), "x", "", 0.0).allowed for _ in range(10)) == 4


@given(
    gaps=st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.0]), max_size=60),
    names=st.lists(st.sampled_from(["a", "b", "c"]), min_size=2, max_size=3),
)
def test_several_limits_let_through_what_each_alone_would(
    gaps: list[float], names: list[str]
) -> None:
    """As models that are asked one by one, and told only of what all let through."""
    rates = {
        "a": RateLimit(requests=2, seconds=4),
        "b": RateLimit(requests=5, seconds=20),
        "c": RateLimit(requests=3, seconds=60, per="address"),
    }
    both, full, now = Limiter(rates), dict.fromkeys(rates, Fraction(0)), 0.0
    for gap in gaps:
        now += gap
        asked = {name: Fraction(rates[name].requests) / int(rates[name].seconds) for name in names}
        level = {name: Fraction(now) * rate for name, rate in asked.items()}
        after = {name: max(full[name], level[name]) + 1 for name in asked}
        fits = all(after[name] - level[name] <= rates[name].requests for name in asked)
        assert both.take(tuple(names), "x", "10.0.0.1", now).allowed == fits
        if fits:
            full.update(after)


def test_a_route_without_limits_tells_nothing() -> None:
    """Also when its limit has just left the document."""
    assert limiter(a=HOUR).take((), "x", "", 0.0) is FREE
    gone = limiter(a=HOUR).take(("gone",), "x", "", 0.0)
    assert (gone.allowed, gone.headers, gone.lines) == (True, (), b"")


# ---------------------------------------------------------------- what is told


def test_the_fields_follow_the_draft() -> None:
    """Names are strings, windows whole seconds; the lines are ready for the head."""
    limits = limiter(
        default=RateLimit(requests=100, seconds=60), daily=RateLimit(requests=5, seconds=86400)
    )
    one = limits.take(("default",), "x", "", 0.0)
    assert one.headers == (
        (b"RateLimit-Policy", b'"default";q=100;w=60'),
        (b"RateLimit", b'"default";r=99;t=1'),
    )
    assert one.lines == (
        b'RateLimit-Policy: "default";q=100;w=60\r\nRateLimit: "default";r=99;t=1\r\n'
    )
    two = limits.take(("daily", "default"), "x", "", 0.0)
    assert two.headers == (
        (b"RateLimit-Policy", b'"daily";q=5;w=86400, "default";q=100;w=60'),
        (b"RateLimit", b'"daily";r=4;t=17280, "default";r=98;t=1'),
    )


def test_a_window_that_is_no_whole_number_is_not_told() -> None:
    """``w`` knows no fractions of seconds, and may be left out."""
    limits = limiter(a=RateLimit(requests=10, seconds=0.5))
    verdict = limits.take(("a",), "x", "", 0.0)
    assert verdict.headers[0] == (b"RateLimit-Policy", b'"a";q=10')


def test_a_refusal_is_429_with_retry_after() -> None:
    """And with the same fields as any other answer of the route."""
    limits = limiter(login=HOUR)
    for _ in range(3):
        assert limits.take(("login",), "x", "", 0.0).refusal is None
    verdict = limits.take(("login",), "x", "", 0.5)
    refusal = verdict.refusal
    assert refusal is not None
    assert (refusal.status, refusal.code) == (429, "too_many_requests")
    assert refusal.headers == (
        (b"Retry-After", b"1200"),
        (b"RateLimit-Policy", b'"login";q=3;w=3600'),
        (b"RateLimit", b'"login";r=0;t=1200'),
    )
    assert refusal.headers[1:] == verdict.headers


# ---------------------------------------------------------------- whom it counts for


def test_identities_and_addresses_are_counted_apart() -> None:
    """Behind one address everybody has a quota; who is nobody shares the address's."""
    limits = limiter(a=HOUR)
    for subject in ("ann", "bob", None):
        assert sum(limits.take(("a",), subject, "10.0.0.1", 0.0).allowed for _ in range(9)) == 3


def test_a_subject_that_looks_like_an_address_is_none() -> None:
    """Nobody can use up another's quota by a name."""
    limits = limiter(a=HOUR)
    for _ in range(5):
        limits.take(("a",), "10.0.0.1", "10.9.9.9", 0.0)
    assert limits.take(("a",), None, "10.0.0.1", 0.0).allowed


@pytest.mark.parametrize("names", [("a",), ("a", "wide")])
def test_a_limit_per_address_counts_all_who_come_from_it(names: tuple[str, ...]) -> None:
    """Whoever they say they are, alone and beside another limit."""
    limits = limiter(
        a=RateLimit(requests=3, seconds=3600, per="address"), wide=RateLimit(requests=99, seconds=1)
    )
    subjects = ["ann", "bob", None, "cid", None]
    assert [limits.take(names, who, "10.0.0.1", 0.0).allowed for who in subjects] == [
        *(True, True, True),
        *(False, False),
    ]
    assert limits.take(names, "ann", "10.0.0.2", 0.0).allowed


@pytest.mark.parametrize(
    ("address", "stands_for"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002"),
        ("2001:db8:1:2::", "20010db800010002"),
        ("2001:DB8:1:3::1", "20010db800010003"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::1", "0000000000000000"),
        ("fe80::1%eth0", "fe80000000000000"),
        ("unix:/run/ficus.sock", "unix:/run/ficus.sock"),
        ("unix", "unix"),
        ("2001:db8::1\0", "2001:db8::1\0"),
        ("", ""),
    ],
)
def test_an_ipv6_address_stands_for_its_64(address: str, stands_for: str) -> None:
    """One customer has 2**64 of them. An IPv4 address stands for itself however it is written."""
    assert network(address) == stands_for


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_a_customer_cannot_hop_through_a_64(names: tuple[str, ...]) -> None:
    """Three requests from a network, not from each of its addresses."""
    limits = limiter(a=HOUR, b=HOUR)
    allowed = [
        limits.take(names, None, f"2001:db8::{number:x}", 0.0).allowed for number in range(99)
    ]
    assert sum(allowed) == 3
    assert limits.take(names, None, "2001:db8:0:1::1", 0.0).allowed


# ---------------------------------------------------------------- what is remembered


def test_a_new_document_forgives_nothing_that_stayed_the_same() -> None:
    """Only a limit that was changed begins anew."""
    limits = limiter(same=HOUR, changed=HOUR)
    for _ in range(3):
        limits.take(("same", "changed"), "x", "", 0.0)
    limits.configure({"same": HOUR, "changed": RateLimit(requests=4, seconds=3600)})
    assert not limits.take(("same",), "x", "", 0.0).allowed
    assert limits.take(("changed",), "x", "", 0.0).headers[0][1] == b'"changed";q=4;w=3600'
    assert not limits.take(("changed", "same"), "x", "", 0.0).allowed


def test_a_flood_of_addresses_is_remembered_within_bounds() -> None:
    """Two hundred thousand of them do not take more memory than was given."""
    limits = limiter(a=HOUR)
    for number in range(200_000):
        limits.take(("a",), None, str(number), 0.0)
    assert limits.remembered()["a"] <= 131_072


def test_a_flood_does_not_free_who_is_limited() -> None:
    """Who goes on asking is remembered; those who came once are forgotten first."""
    limits = Limiter({"a": HOUR}, remembered=1000)
    for _ in range(3):
        limits.take(("a",), None, "10.0.0.1", 0.0)
    for number in range(20_000):
        assert limits.take(("a",), None, str(number), 0.0).allowed
        if number % 400 == 0:
            assert not limits.take(("a",), None, "10.0.0.1", 0.0).allowed
    assert limits.remembered()["a"] <= 1000


def test_who_is_idle_is_forgotten_when_others_come() -> None:
    """After ``seconds`` the quota is whole again, so there is nothing to remember."""
    limits = limiter(a=RateLimit(requests=5, seconds=10))
    for number in range(100):
        limits.take(("a",), None, str(number), 0.0)
    for step in range(1, 4):
        limits.take(("a",), None, f"newcomer{step}", 20.0 * step)
    assert limits.remembered()["a"] <= 2


@given(
    visits=st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 3)), min_size=1, max_size=200
    )
)
def test_forgetting_by_age_changes_no_decision(visits: list[tuple[str, float]]) -> None:
    """As one limiter for each address, which never has anything to forget."""
    rate = RateLimit(requests=2, seconds=4)
    together, apart, now = Limiter({"a": rate}), {}, 0.0
    for who, gap in visits:
        now += gap
        alone = apart.setdefault(who, Limiter({"a": rate}))
        expected = alone.take(("a",), None, who, now)
        assert together.take(("a",), None, who, now) == expected


def test_verdicts_are_told_apart_however_many_are_prepared() -> None:
    """A quota larger than what is prepared is told as rightly as a small one."""
    limits = limiter(a=RateLimit(requests=10_000, seconds=36_000))
    left = [told(limits.take(("a",), "x", "", 0.0))["a"][0] for _ in range(10_000)]
    assert all(before - 1 == after for before, after in pairwise(left))
    assert left[-1] == 0
    assert not limits.take(("a",), "x", "", 0.0).allowed
