"""HTTP dates (RFC 9110 section 5.6.7) as unix seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import formatdate

_MONTHS = b"jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = rb"(?P<month>" + b"|".join(_MONTHS) + rb")"
_TIME = rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_SHORT = rb"(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG = rb"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
# Letter case is forgiven and UTC taken for GMT (RFC 9111 section 4.2); nothing else is.
_FORMS = (
    _SHORT + rb", (?P<day>\d\d) " + _MONTH + rb" (?P<year>\d{4}) " + _TIME + rb" (?:gmt|utc)",
    _LONG + rb", (?P<day>\d\d)-" + _MONTH + rb"-(?P<year>\d\d) " + _TIME + rb" (?:gmt|utc)",
    _SHORT + rb" " + _MONTH + rb" (?P<day>[ \d]\d) " + _TIME + rb" (?P<year>\d{4})",
)
_DATES = tuple(re.compile(form, re.IGNORECASE) for form in _FORMS)


def parse_date(value: bytes, now: float) -> float | None:
    """Seconds since 1970, or None for what is no date. ``now`` settles two-digit years."""
    for form in _DATES:
        found = form.fullmatch(value)
        if found is not None:
            return _seconds(found, now)
    return None


def _seconds(found: re.Match[bytes], now: float) -> float | None:
    year = int(found["year"])
    if len(found["year"]) == 2:
        this = datetime.fromtimestamp(now, UTC).year
        year += this - this % 100
        if year > this + 50:  # seems more than 50 years ahead: it is the last such year
            year -= 100
    try:
        return datetime(
            year,
            _MONTHS.index(found["month"].lower()) + 1,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            min(int(found["second"]), 59),  # a leap second
            tzinfo=UTC,
        ).timestamp()
    except ValueError:
        return None


def format_date(when: float) -> bytes:
    """Unix seconds as a Date field."""
    return formatdate(when, usegmt=True).encode()
