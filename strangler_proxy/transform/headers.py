"""Header rules of a route, compiled: remove, rename, set, add - in this order, whatever the case.

``remove`` and ``set`` concern every field of that name. ``rename`` changes the name and keeps
value and place; where a field of the new name came too, that one stays and the renamed one goes:
who already speaks the new name is right. All renames happen at once, so two names can be swapped.
``add`` is one more field beside those of its name.

What frames the message, belongs to one connection, says how the content is coded or is the front
door's own to say cannot be named in a rule.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from strangler_proxy import config
from strangler_proxy.errors import Field, Finding
from strangler_proxy.wire.heads import LOWER, NOT_FORWARDED, NOT_RETURNED

_CODING = frozenset({b"host", b"content-length", b"content-encoding", b"content-range"})
REQUEST_RESERVED = NOT_FORWARDED | _CODING
RESPONSE_RESERVED = NOT_RETURNED | _CODING | {b"x-request-id"}

# Fields with one value: a second one would be read in two ways.
_SINGLE = frozenset(
    {
        *(b"authorization", b"content-type", b"content-location", b"location", b"etag", b"age"),
        *(b"date", b"expires", b"last-modified", b"retry-after", b"referer", b"user-agent"),
        *(b"if-modified-since", b"if-unmodified-since", b"if-range", b"range", b"max-forwards"),
        *(b"idempotency-key", b"strict-transport-security"),
    }
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch


class HeaderRules:
    """The compiled rules. ``touched``: lower-case names that do not pass as they came."""

    __slots__ = ("_renamed", "_rivals", "_tail", "_touched")

    def __init__(self, rules: config.Headers) -> None:
        self._renamed = {_lower(old): new.encode() for old, new in rules.rename.items()}
        self._touched = frozenset(map(_lower, (*rules.remove, *rules.set))) | set(self._renamed)
        self._rivals = frozenset(map(_lower, rules.rename.values()))  # may have come as well
        self._tail = [
            (name.encode(), value.strip(" \t").encode("latin-1"))
            for name, value in (*rules.set.items(), *rules.add.items())
        ]

    def apply(self, fields: Collection[Field]) -> list[Field]:
        """The fields after the rules; those that no rule names are the same, in their order."""
        names = [LOWER[name] for name, _ in fields]
        touched = self._touched
        done = list(fields)
        if not touched.isdisjoint(names):
            renamed = self._renames(names)
            hits = [place for place, name in enumerate(names) if name in touched]
            for place in reversed(hits):
                new = renamed.get(names[place])
                if new is None:
                    del done[place]
                else:
                    done[place] = (new, done[place][1])
        done += self._tail
        return done

    def _renames(self, names: list[bytes]) -> dict[bytes, bytes]:
        """The renames that find their new name free."""
        if self._rivals.isdisjoint(names):
            return self._renamed
        staying = set(names) - self._touched
        return {old: new for old, new in self._renamed.items() if new.lower() not in staying}


def header_findings(rules: config.Headers, reserved: frozenset[bytes], path: str) -> list[Finding]:
    """Why these rules cannot be used; nothing, if they can."""
    found = [
        Finding(path=f"{path}.{where}", reason=reason)
        for where, name in _names(rules)
        if (reason := _name_fault(name, reserved))
    ]
    for kind in ("set", "add"):
        found += [
            Finding(path=f"{path}.{kind}.{name}", reason="a value is one line of Latin-1 text")
            for name, value in getattr(rules, kind).items()
            if not _VALUE(value)
        ]
    return found + list(_contradictions(rules, path))


def _names(rules: config.Headers) -> Iterator[tuple[str, str]]:
    for place, name in enumerate(rules.remove):
        yield f"remove[{place}]", name
    for old, new in rules.rename.items():
        yield f"rename.{old}", old
        yield f"rename.{old}", new
    for kind in ("set", "add"):
        for name in getattr(rules, kind):
            yield f"{kind}.{name}", name


def _name_fault(name: str, reserved: frozenset[bytes]) -> str | None:
    if not _NAME(name):
        return f"{name!r} is not the name of a header"
    if LOWER[name.encode()] in reserved:
        return f"{name} frames the message or is the front door's own; no rule may touch it"
    return None


def _contradictions(rules: config.Headers, path: str) -> Iterator[Finding]:
    removed = {name.lower() for name in rules.remove}
    replaced = {name.lower() for name in rules.set}
    taken: set[str] = set()
    for old, new in rules.rename.items():
        where = f"{path}.rename.{old}"
        if old.lower() in removed:
            yield Finding(path=where, reason=f"{old} is removed before it could be renamed")
        if new.lower() in taken:
            yield Finding(path=where, reason=f"another header is renamed to {new} already")
        if replaced & {old.lower(), new.lower()}:
            yield Finding(path=where, reason="set replaces it; leave one of the two rules out")
        taken.add(new.lower())
    for kind in ("rename", "set", "add"):
        names = [name.lower() for name in getattr(rules, kind)]
        if len(set(names)) != len(names):
            yield Finding(path=f"{path}.{kind}", reason="a name stands there twice")
    for name in rules.add:
        if name.lower().encode() in _SINGLE:
            reason = f"{name} has one value; use set instead of add"
            yield Finding(path=f"{path}.add.{name}", reason=reason)


def _lower(name: str) -> bytes:
    return name.lower().encode()
