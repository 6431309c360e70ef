"""Rules for a request's target, compiled: the route's prefix replaced, query parameters changed.

A target that is not a path (``*`` or a whole URL) passes as it is. Parameters are named by what
they mean (``%73ku`` is ``sku``); those that no rule names keep their bytes, their order and even
empty places between ampersands. Of two rules for one parameter the order is remove, rename, add
(where missing), as in a body; where the new name came too, the renamed parameter goes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from urllib.parse import quote_plus, unquote_to_bytes

from strangler_proxy import config
from strangler_proxy.errors import Finding

Scalar = str | int | float | bool | None


class TargetRules:
    """The compiled rules."""

    __slots__ = ("_added", "_from", "_removed", "_renamed", "_to", "_touches_query")

    def __init__(self, prefix: str | None, query: config.Fields, route_prefix: str) -> None:
        self._from = route_prefix.rstrip("/").encode()
        self._to = None if prefix is None else prefix.rstrip("/").encode()
        self._removed = frozenset(name.encode() for name in query.remove)
        self._renamed = {old.encode(): new.encode() for old, new in query.rename.items()}
        self._added = [(name.encode(), _parameter(name, v)) for name, v in query.add.items()]
        self._touches_query = bool(self._removed or self._renamed or self._added)

    def apply(self, target: bytes) -> bytes:
        """The target as the upstream gets it."""
        if not target.startswith(b"/"):
            return target
        path, mark, query = target.partition(b"?")
        if self._to is not None:
            path = self._replace(path)
        if self._touches_query and (mark or self._added):
            changed = self._change(query.split(b"&") if query else [])
            if changed is not None:
                mark, query = (b"?", changed) if changed else (b"", b"")
        return path + mark + query

    def _replace(self, path: bytes) -> bytes:
        """Replace whole segments; the rest of the path keeps its bytes."""
        known, new = self._from, self._to
        rest = path[len(known) :]
        if not path.startswith(known) or (rest and not rest.startswith(b"/")):
            spelled = _behind(path, known)
            if spelled is None:
                return path
            rest = spelled
        return (new or b"") + rest or b"/"

    def _change(self, parts: list[bytes]) -> bytes | None:
        """The query's parts after the rules; None if they change nothing."""
        names = [_meaning(part.partition(b"=")[0]) for part in parts]
        staying = {n for n in names if n not in self._renamed and n not in self._removed}
        kept: list[bytes] = []
        present = set(staying)
        for name, part in zip(names, parts, strict=True):
            new = self._renamed.get(name)
            if new is None:
                if name not in self._removed:
                    kept.append(part)
            elif new not in staying:
                present.add(new)
                kept.append(quote_plus(new).encode() + b"".join(part.partition(b"=")[1:]))
        kept += [part for name, part in self._added if name not in present]
        return None if kept == parts else b"&".join(kept)


def _behind(path: bytes, prefix: bytes) -> bytes | None:
    """What follows the prefix where the path spells it with percent signs or doubled slashes, as
    the table reads it too; None if it is another one."""
    wanted = prefix.split(b"/")[1:]
    segments = path.split(b"/")
    at = 0
    for name in wanted:
        while at < len(segments) and not segments[at]:
            at += 1
        if at == len(segments) or unquote_to_bytes(segments[at]) != name:
            return None
        at += 1
    return b"".join([b"/" + segment for segment in segments[at:]])


def target_findings(rules: config.RequestRules, path: str) -> Iterator[Finding]:
    """Why these rules cannot be used; nothing, if they can."""
    query = rules.query
    removed, taken = set(query.remove), set[str]()
    for old, new in query.rename.items():
        where = f"{path}.query.rename.{old}"
        if old in removed:
            yield Finding(path=where, reason=f"{old} is removed before it could be renamed")
        if new in taken:
            yield Finding(path=where, reason=f"another parameter is renamed to {new} already")
        taken.add(new)
    if "" in {*query.remove, *query.rename, *query.rename.values(), *query.add}:
        yield Finding(path=f"{path}.query", reason="a parameter needs a name")
    yield from number_findings(query, f"{path}.query")


def number_findings(rules: config.Fields, path: str) -> Iterator[Finding]:
    """Numbers that no JSON and no query can carry."""
    for name, value in rules.add.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield Finding(path=f"{path}.add.{name}", reason=f"{value} is not a number of JSON")


def _meaning(name: bytes) -> bytes:
    if b"%" in name or b"+" in name:
        return unquote_to_bytes(name.replace(b"+", b" "))
    return name


def _parameter(name: str, value: Scalar) -> bytes:
    """``name=value`` as forms write it; null is the bare name."""
    if value is None:
        return quote_plus(name).encode()
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{quote_plus(name)}={quote_plus(text)}".encode()
