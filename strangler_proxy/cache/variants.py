"""Which requests an answer with Vary suits (RFC 9111 section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from strangler_proxy.cache.freshness import Headers
from strangler_proxy.wire.heads import LOWER, NOT_FORWARDED

_REMEMBERED = 256  # bytes; longer values are compared without being remembered
_ANY_CASE = frozenset({b"accept-encoding", b"accept-language"})
_ANY_ORDER = frozenset({b"accept-encoding"})  # languages: some servers take the first

Values = tuple[bytes | None, ...]


def names_of(vary: bytes) -> tuple[bytes, ...]:
    """The fields that a Vary names, in lower case and sorted."""
    names = {name.strip().lower() for name in vary.split(b",")}
    return tuple(sorted(name for name in names if name))


def can_select(names: Iterable[bytes], renamed: frozenset[bytes]) -> bool:
    """Whether what the client sent tells the variants apart.

    Not when the front door writes the field itself: the identity, the forwarding, or what a rule
    of the route renames to it.
    """
    return all(LOWER[name] not in NOT_FORWARDED and name not in renamed for name in names)


def values_of(names: tuple[bytes, ...], headers: Headers) -> Values:
    """The request's values of these fields, in a form in which equal ones are equal."""
    return tuple([_normal(name, headers.get(name)) for name in names])


def _normal(name: bytes, value: bytes | None) -> bytes | None:
    if value is None:
        return None
    return _remembered(name, value) if len(value) <= _REMEMBERED else _normalise(name, value)


def _normalise(name: bytes, value: bytes) -> bytes:
    if b'"' in value:  # a comma inside a string is no separator
        return value.strip()
    if name in _ANY_CASE:
        value = value.lower()
    members = [
        b"".join(member.split()) if name in _ANY_CASE else member.strip()
        for member in value.split(b",")
    ]
    return b",".join(sorted(members) if name in _ANY_ORDER else members)


_remembered = lru_cache(4096)(_normalise)
