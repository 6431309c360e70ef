"""Cache-Control (RFC 9111 section 5.2) and CDN-Cache-Control (RFC 9213).

Whoever sends something unclear gets less caching, not more: of repeated directives the strictest
counts, a broken number is 0, a broken list of fields means all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

FOREVER = 1 << 31  # seconds; larger numbers mean this one (RFC 9111 section 1.2.2)
_REMEMBERED = 256  # bytes; longer values are rare and not worth the memory

_SECONDS = frozenset(
    {
        *(b"max-age", b"s-maxage", b"stale-while-revalidate", b"stale-if-error"),
        *(b"max-stale", b"min-fresh"),
    }
)
_QUALIFIED = frozenset({b"no-cache", b"private"})
_DIRECTIVE = re.compile(
    rb'[\s,]*([^\s,=]+)((?:[ \t]*=[ \t]*(?:"(?:[^"\\]|\\.)*"[^,]*|[^,]*))?)', re.DOTALL
)
_NUMBER = re.compile(rb'=("?)0*(\d+)\1\s*')
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Directives:
    """``flags`` are names alone, ``seconds`` names with a number, all in lower case; ``withheld``
    are the response fields that no-cache="..." and private="..." name."""

    flags: frozenset[bytes]
    seconds: Mapping[bytes, int]
    withheld: frozenset[bytes]


NONE = Directives(frozenset(), {}, frozenset())


def parse_directives(value: bytes | None) -> Directives:
    """Read a Cache-Control field; its lines are joined by commas."""
    if value is None:
        return NONE
    return _remembered(value) if len(value) <= _REMEMBERED else _parse(value)


def _parse(value: bytes) -> Directives:
    flags: set[bytes] = set()
    seconds: dict[bytes, int] = {}
    withheld: set[bytes] = set()
    for name, argument in _DIRECTIVE.findall(value):
        directive = name.lower()
        if directive in _SECONDS:
            _add_seconds(seconds, directive, _seconds(directive, argument))
            continue
        named = _FIELD.findall(argument) if directive in _QUALIFIED else []
        if named:
            withheld.update(field.lower() for field in named)
        else:
            flags.add(directive)
    return Directives(frozenset(flags), seconds, frozenset(withheld))


_remembered = lru_cache(1024)(_parse)


def _seconds(directive: bytes, argument: bytes) -> int:
    if not argument and directive == b"max-stale":
        return FOREVER
    found = _NUMBER.fullmatch(argument)
    return _bounded(found[2]) if found else 0


def _bounded(digits: bytes) -> int:
    return min(int(digits), FOREVER) if len(digits) <= 10 else FOREVER


def _add_seconds(seconds: dict[bytes, int], directive: bytes, value: int) -> None:
    strictest = max if directive == b"min-fresh" else min
    seconds[directive] = strictest(seconds.get(directive, value), value)


# A dictionary of structured fields (RFC 8941), as far as directives need it.
_KEY = rb"([a-z*][a-z0-9_.*-]*)"
_INTEGER = rb"-?\d{1,15}"
_ITEM = (
    rb"(?:-?\d{1,12}\.\d{1,3}|" + _INTEGER + rb'|"(?:[ !#-\[\]-~]|\\["\\])*"'
    rb"|[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*|:[A-Za-z0-9+/=]*:|\?[01])"
)
_PARAMETERS = rb"(?:; *[a-z*][a-z0-9_.*-]*(?:=" + _ITEM + rb")?)*"
_MEMBER = re.compile(_KEY + rb"(?:=(" + _ITEM + rb"))?" + _PARAMETERS + rb"(?:[ \t]*(,)[ \t]*|$)")


@lru_cache(1024)
def parse_targeted(value: bytes) -> Directives | None:
    """Read a CDN-Cache-Control field. None: empty or malformed, so it does not count."""
    members: dict[bytes, bytes] = {}
    value = value.strip(b" ")
    at, more = 0, bool(value)
    while more:
        found = _MEMBER.match(value, at)
        if found is None:
            return None
        members[found[1]] = found[2] or b"?1"
        at, more = found.end(), found[3] is not None
    if not members or at != len(value):
        return None
    return _targeted(members)


def _targeted(members: Mapping[bytes, bytes]) -> Directives | None:
    flags: set[bytes] = set()
    seconds: dict[bytes, int] = {}
    for directive, item in members.items():
        if directive in _SECONDS:
            if not item.isdigit():
                return None
            seconds[directive] = _bounded(item)
        elif item != b"?0":
            flags.add(directive)
    return Directives(frozenset(flags), seconds, frozenset())
