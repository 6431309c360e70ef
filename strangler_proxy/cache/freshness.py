"""May an answer be stored, how old is it, and how long is it good? (RFC 9111 sections 3 and 4.2)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from strangler_proxy import config
from strangler_proxy.cache.dates import parse_date
from strangler_proxy.cache.directives import (
    FOREVER,
    Directives,
    parse_directives,
    parse_targeted,
)

DAY = 86_400.0
HEURISTIC_SHARE = 0.1  # of the time since Last-Modified (RFC 9111 section 4.2.2)
# Status codes whose answers may be kept although they say nothing (RFC 9110 section 15.1).
HEURISTIC = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
# Whose rules of caching we know, for must-understand.
UNDERSTOOD = HEURISTIC | frozenset(
    {
        *(201, 202, 205, 302, 303, 305, 307, *range(400, 419), 421, 422, 426),
        *(500, 502, 503, 504, 505),
    }
)
# Answers about a range are passed on, not put together; 304 freshens what is there.
NEVER_STORED = frozenset({206, 304, 416})
# An answer to somebody with credentials may serve others only when it says so (section 3.5).
_FOR_ALL = frozenset({b"public", b"must-revalidate"})
_STRICT = frozenset({b"must-revalidate", b"proxy-revalidate", b"no-cache"})

Headers = Mapping[bytes, bytes]  # names in lower case, repeated fields joined by commas


@dataclass(frozen=True, slots=True)
class Terms:
    """For what a stored answer may be used. Times are unix seconds, the rest seconds."""

    born: float  # now minus this is its age
    date: float
    lifetime: float
    always_ask: bool  # no-cache: not without asking
    strict: bool  # never when stale
    while_revalidate: float
    if_error: float
    withheld: frozenset[bytes]  # fields that are not kept


def terms_of(
    status: int,
    headers: Headers,
    policy: config.Cache,
    *,
    asked: float,
    received: float,
    credentials: bool,
) -> Terms | None:
    """The terms of an answer, or None if it must not be stored or could never be used.

    ``credentials`` says whether the request had any; ``asked`` and ``received`` are when the
    request was sent and the answer's head came.
    """
    directives, targeted = directives_of(headers)
    if not _may_store(status, headers, directives, policy):
        return None
    for_all = b"s-maxage" in directives.seconds or not _FOR_ALL.isdisjoint(directives.flags)
    if credentials and not for_all:
        return None
    date = _date(headers, received)
    lifetime = _lifetime(status, headers, directives, targeted, policy, date)
    if lifetime is None:
        return None
    terms = Terms(
        born=received - _initial_age(headers, date, asked, received),
        date=date,
        lifetime=lifetime,
        always_ask=b"no-cache" in directives.flags,
        strict=not _STRICT.isdisjoint(directives.flags) or b"s-maxage" in directives.seconds,
        while_revalidate=directives.seconds.get(b"stale-while-revalidate", 0),
        if_error=directives.seconds.get(b"stale-if-error", policy.stale_if_error_seconds),
        withheld=directives.withheld,
    )
    return terms if _ever_usable(terms, headers, received) else None


def directives_of(headers: Headers) -> tuple[Directives, bool]:
    """The directives that are meant for us, and whether they are for us alone: then Expires does
    not count either (RFC 9213 section 2.2)."""
    value = headers.get(b"cdn-cache-control")
    targeted = parse_targeted(value) if value is not None else None
    if targeted is not None:
        return targeted, True
    return parse_directives(headers.get(b"cache-control")), False


def _may_store(status: int, headers: Headers, directives: Directives, policy: config.Cache) -> bool:
    flags = directives.flags
    if status < 200 or status in NEVER_STORED or b"private" in flags:
        return False
    understood = b"must-understand" in flags
    if understood and status not in UNDERSTOOD:
        return False
    if b"no-store" in flags and not understood:
        return False
    if b"set-cookie" in headers and not policy.cookies:
        return False
    return b"*" not in headers.get(b"vary", b"")


def _date(headers: Headers, received: float) -> float:
    date = parse_date(headers.get(b"date", b""), received)
    return received if date is None else date


def _initial_age(headers: Headers, date: float, asked: float, received: float) -> float:
    """RFC 9111 section 4.2.3."""
    corrected = age_of(headers) + received - asked
    return max(0.0, received - date, corrected)


def age_of(headers: Headers) -> int:
    """The Age field: its first value counts, an invalid one does not (RFC 9111 section 5.1).

    Parameters, which it does not have, do not hide a number: rather too old than too young.
    """
    first = headers.get(b"age", b"").partition(b",")[0].partition(b";")[0].strip()
    if not first.isdigit():
        return 0
    return min(int(first), FOREVER) if len(first) <= 10 else FOREVER


def _lifetime(
    status: int,
    headers: Headers,
    directives: Directives,
    targeted: bool,
    policy: config.Cache,
    date: float,
) -> float | None:
    """Seconds; None when nothing in the answer allows storing it (RFC 9111 section 4.2.1)."""
    seconds = directives.seconds
    for directive in (b"s-maxage", b"max-age"):
        if directive in seconds:
            return seconds[directive]
    if b"expires" in headers and not targeted:
        expires = parse_date(headers[b"expires"], date)
        return 0.0 if expires is None else max(0.0, expires - date)
    if status not in HEURISTIC and b"public" not in directives.flags:
        return None
    if policy.default_seconds:
        return policy.default_seconds
    modified = parse_date(headers.get(b"last-modified", b""), date)
    return 0.0 if modified is None else min(max(0.0, date - modified) * HEURISTIC_SHARE, DAY)


def _ever_usable(terms: Terms, headers: Headers, now: float) -> bool:
    if b"etag" in headers or b"last-modified" in headers:
        return True
    longest = terms.lifetime + max(terms.while_revalidate, terms.if_error)
    if terms.strict:
        longest = terms.lifetime
    return not terms.always_ask and terms.born + longest > now
