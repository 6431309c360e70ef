"""Cache-Control, CDN-Cache-Control and dates are read as the standards say, and never trusted."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler_proxy.cache.dates import format_date, parse_date
from strangler_proxy.cache.directives import FOREVER, parse_directives, parse_targeted

NOW = datetime(2026, 11, 20, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"max-age=60", 60),
        (b"MAX-Age=60", 60),
        (b"public, max-age=60", 60),
        (b'max-age="60"', 60),
        (b"max-age=0060", 60),
        (b"max-age=99999999999999999999", FOREVER),
        (b"max-age=" + b"9" * 5000, FOREVER),
        (b"max-age=60, max-age=30", 30),
        (b"max-age=30,max-age=60", 30),
        (b'x="max-age=3600", max-age=1', 1),
        (b'max-age=1, x="max-age=3600"', 1),
        (b'x="a\\"b, max-age=9", max-age=1', 1),
        (b"max-age='60'", 0),
        (b"max-age=-1", 0),
        (b"max-age=60.5", 0),
        (b"max-age=a60", 0),
        (b"max-age=60a", 0),
        (b'max-age="60', 0),
        (b"max-age =60", 0),
        (b"max-age= 60", 0),
        (b"max-age", 0),
        (b"max-age=", 0),
    ],
)
def test_max_age(value: bytes, seconds: int) -> None:
    """Of repeated numbers the smallest counts; a broken one is 0."""
    assert parse_directives(value).seconds[b"max-age"] == seconds


def test_min_fresh_and_max_stale() -> None:
    """Of repeated min-fresh the largest is the strictest; max-stale alone means any age."""
    assert parse_directives(b"min-fresh=1, min-fresh=9").seconds[b"min-fresh"] == 9
    assert parse_directives(b"max-stale").seconds[b"max-stale"] == FOREVER


@pytest.mark.parametrize(
    ("value", "flags", "withheld"),
    [
        (b"no-cache", {b"no-cache"}, set()),
        (b"No-Store,PRIVATE", {b"no-store", b"private"}, set()),
        (b"no-store=yes", {b"no-store"}, set()),
        (b'no-cache="Set-Cookie, X"', set(), {b"set-cookie", b"x"}),
        (b"private=x", set(), {b"x"}),
        (b'no-cache=""', {b"no-cache"}, set()),
        (b'no-cache="a", no-cache', {b"no-cache"}, {b"a"}),
        (b'x="no-store"', {b"x"}, set()),
        (b'x="unclosed, no-store', {b"x", b"no-store"}, set()),
        (b"", set(), set()),
    ],
)
def test_flags(value: bytes, flags: set[bytes], withheld: set[bytes]) -> None:
    """Directives are names without a number, or fields that they name."""
    directives = parse_directives(value)
    assert (directives.flags, directives.withheld) == (flags, withheld)


@given(st.binary(max_size=400))
def test_what_stands_first_is_seen(noise: bytes) -> None:
    """Nothing that follows hides a directive, and nothing at all breaks the reading."""
    directives = parse_directives(b"no-store, max-age=5, " + noise)
    assert b"no-store" in directives.flags
    assert directives.seconds[b"max-age"] <= 5


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b" ", b"max-age=1,", b"&&", b"max-age=10, &&&", b'max-age="10"', b"max-age=-1"),
        *(b"max-age", b"MaX-aGe=1", b"max-age =1", b"max-age= 1", b"no-store no-cache", b'x="'),
    ],
)
def test_malformed_targeted_field_does_not_count(value: bytes) -> None:
    """What is no dictionary of the right types is as if it were not there."""
    assert parse_targeted(value) is None


def test_targeted_field() -> None:
    """Booleans, numbers, parameters and unknown members of a dictionary are read."""
    directives = parse_targeted(b'no-store, private=?0, max-age=60;x=1, max-age=5, y="a, b", z=t/*')
    assert directives is not None
    assert directives.flags == {b"no-store", b"y", b"z"}
    assert directives.seconds == {b"max-age": 5}


@given(st.binary(max_size=200))
def test_targeted_field_never_breaks(noise: bytes) -> None:
    """Any bytes give directives or nothing."""
    parse_targeted(noise)


@pytest.mark.parametrize(
    "value",
    [
        *(b"Fri, 20 Nov 2026 00:00:00 GMT", b"FRI, 20 nov 2026 00:00:00 gmt"),
        *(b"Fri, 20 Nov 2026 00:00:00 UTC", b"Friday, 20-Nov-26 00:00:00 GMT"),
        b"Fri Nov 20 00:00:00 2026",
    ],
)
def test_three_forms_of_date(value: bytes) -> None:
    """All three forms are read, in any letter case."""
    assert parse_date(value, NOW) == NOW


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"0", b"-1", b"soon", b"Fri, 20 Nov 2026 00:00:00 AEST", b"Fri 20 Nov 2026"),
        *(b"Fri, 20 Nov 26 00:00:00 GMT", b"Fri, 31 Feb 2026 00:00:00 GMT"),
        *(b"Fri, 20 Nov 2026 0:00:00 GMT", b"Fri, 20 Nov 2026 25:00:00 GMT"),
        b"Fri, 20 Nov 2026 00:00:00 GMT, Fri, 20 Nov 2026 00:00:00 GMT",
    ],
)
def test_other_dates_are_none(value: bytes) -> None:
    """What is not exactly a date is no date."""
    assert parse_date(value, NOW) is None


def test_leap_second() -> None:
    """It is taken for the second before it."""
    when = parse_date(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW)
    assert when == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def test_two_digit_years() -> None:
    """A year more than fifty years ahead is the last one with these digits."""
    ahead = parse_date(b"Friday, 20-Nov-76 00:00:00 GMT", NOW)
    behind = parse_date(b"Saturday, 20-Nov-77 00:00:00 GMT", NOW)
    assert ahead == datetime(2076, 11, 20, tzinfo=UTC).timestamp()
    assert behind == datetime(1977, 11, 20, tzinfo=UTC).timestamp()


@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_dates_come_back(seconds: int) -> None:
    """What is written is read again."""
    assert parse_date(format_date(seconds), seconds) == seconds
