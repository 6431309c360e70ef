"""What a client's own conditions and ranges ask of a stored answer (RFC 9110 sections 13, 14)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from strangler_proxy.cache.dates import parse_date
from strangler_proxy.cache.freshness import Headers

if TYPE_CHECKING:
    from strangler_proxy.cache.stored import Stored

_TAG = re.compile(rb'(?:W/)?"[^"]*"')
_RANGE = re.compile(rb"\s*bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)


def is_weak(tag: bytes) -> bool:
    """Whether an entity tag promises only equivalence."""
    return tag.startswith(b"W/")


def same_weakly(one: bytes, other: bytes) -> bool:
    """The weak comparison: the opaque parts are equal."""
    return one.removeprefix(b"W/") == other.removeprefix(b"W/")


def not_modified(headers: Headers, stored: Stored, now: float) -> bool:
    """Whether the client's copy is as good as ours."""
    tags = headers.get(b"if-none-match")
    if tags is not None:
        return _any_tag(tags.strip(), stored.etag)
    since = parse_date(headers.get(b"if-modified-since", b""), now)
    if since is None:
        return False
    return (stored.terms.date if stored.modified is None else stored.modified) <= since


def _any_tag(tags: bytes, own: bytes | None) -> bool:
    if tags == b"*":
        return True
    if own is None:
        return False
    return tags == own or any(same_weakly(tag, own) for tag in _TAG.findall(tags))


def wanted_range(headers: Headers, stored: Stored) -> tuple[int, int] | None:
    """The first byte and the one after the last, or None to answer with all of it.

    An empty range means that there are no such bytes. Several ranges in one request are answered
    with the whole, as RFC 9110 section 14.2 allows.
    """
    found = _RANGE.fullmatch(headers.get(b"range", b""))
    if found is None or not _still_the_same(headers, stored):
        return None
    size = len(stored.body)
    first, last = found[1], found[2]
    if not first:
        return (max(0, size - int(last)), size) if last else None
    start = int(first)
    stop = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    return (start, stop) if start < stop else (size, size)


def _still_the_same(headers: Headers, stored: Stored) -> bool:
    """If-Range: only what is surely the same may be continued."""
    tag = headers.get(b"if-range")
    if tag is None:
        return True
    tag = tag.strip()
    if stored.etag is not None and tag == stored.etag:
        return not is_weak(tag)
    # A date says so only when nothing can have changed within its second.
    settled = stored.modified is not None and stored.terms.date - stored.modified >= 1
    return settled and tag == stored.last_modified
