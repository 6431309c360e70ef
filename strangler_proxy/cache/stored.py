"""One stored answer, and how a 304 or a HEAD freshens it (RFC 9111 sections 3.1, 3.2, 4.3.4)."""

from __future__ import annotations

from collections.abc import Iterable

from strangler_proxy.cache.conditions import is_weak, same_weakly
from strangler_proxy.cache.dates import format_date, parse_date
from strangler_proxy.cache.freshness import Headers, Terms
from strangler_proxy.cache.variants import Values
from strangler_proxy.errors import Field

OVERHEAD = 1_000  # bytes that one answer costs besides its own: objects and places in dicts

# Never kept: they concern a connection or a proxy, or are made anew for each answer.
_NOT_STORED = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"),
        *(b"transfer-encoding", b"proxy-authenticate", b"proxy-authentication-info"),
        *(b"proxy-authorization", b"age", b"content-length"),
    }
)
# Describe the stored bytes, which a 304 does not bring.
_NOT_UPDATED = frozenset(
    {
        *(b"content-encoding", b"content-range", b"content-md5", b"content-digest"),
        *(b"repr-digest", b"digest", b"etag"),
    }
)
# Their old values say nothing about the freshened answer.
_OUTDATED = frozenset({b"warning", b"cache-status"})

Key = tuple[bytes, bytes, bool, str, str]  # target, host, secure, space, upstream


class Stored:
    """A complete answer. ``fields`` are without Age and Content-Length; ``lines`` are the same
    written out. ``asking_until``: somebody asks for a newer one in the background until then."""

    __slots__ = (
        *("asking_until", "body", "etag", "fields", "fresh_until", "key", "last_modified"),
        *("lines", "modified", "names", "size", "status", "terms", "values"),
    )

    def __init__(
        self,
        key: Key,
        names: tuple[bytes, ...],
        values: Values,
        status: int,
        fields: tuple[Field, ...],
        body: bytes,
        terms: Terms,
    ) -> None:
        self.key = key
        self.names = names
        self.values = values
        self.status = status
        self.fields = fields
        self.lines = b"".join([b"%b: %b\r\n" % field for field in fields])
        self.body = body
        self.terms = terms
        self.fresh_until = terms.born + terms.lifetime
        self.asking_until = 0.0
        self.etag = _first(fields, b"etag")
        self.last_modified = _first(fields, b"last-modified")
        self.modified = parse_date(self.last_modified or b"", terms.date)
        written = sum(len(value or b"") for value in values)
        self.size = OVERHEAD + len(body) + 2 * len(self.lines) + len(key[0]) + written

    def validators(self) -> tuple[Field, ...]:
        """The conditions by which the upstream can say that this answer still holds."""
        conditions = []
        if self.etag is not None:
            conditions.append((b"if-none-match", self.etag))
        if self.modified is not None and self.last_modified is not None:
            conditions.append((b"if-modified-since", self.last_modified))
        return tuple(conditions)

    def is_meant(self, headers: Headers) -> bool:
        """Whether a 304 with these headers speaks of this answer."""
        tag = headers.get(b"etag")
        if tag is not None:
            if self.etag is None:
                return True
            return tag == self.etag if not is_weak(tag) else same_weakly(tag, self.etag)
        modified = headers.get(b"last-modified")
        return modified is None or self.last_modified in (None, modified)

    def is_described(self, headers: Headers) -> bool:
        """Whether the answer to a HEAD with these headers describes this answer."""
        length = headers.get(b"content-length")
        if length is not None and length != b"%d" % len(self.body):
            return False
        same = [headers.get(name) in (None, own) for name, own in self._versions()]
        return all(same)

    def _versions(self) -> tuple[tuple[bytes, bytes | None], ...]:
        return (b"etag", self.etag), (b"last-modified", self.last_modified)


def _first(fields: Iterable[Field], wanted: bytes) -> bytes | None:
    return next((value for name, value in fields if name.lower() == wanted), None)


def kept(
    fields: Iterable[Field], headers: Headers, withheld: frozenset[bytes], now: float
) -> tuple[Field, ...]:
    """What is stored of an answer's fields, with a Date if it had none."""
    dropped = _NOT_STORED | withheld | _listed(headers)
    stays = [field for field in fields if field[0].lower() not in dropped]
    if b"date" not in headers:
        stays.append((b"date", format_date(now)))
    return tuple(stays)


def _listed(headers: Headers) -> frozenset[bytes]:
    tokens = headers.get(b"connection", b"").lower().split(b",")
    return frozenset(token.strip() for token in tokens)


def updated(
    stored: Stored, fields: Iterable[Field], headers: Headers, now: float
) -> tuple[Field, ...]:
    """The stored fields with those of a 304 or a HEAD in the place of their namesakes."""
    new = [
        field
        for field in kept(fields, headers, frozenset(), now)
        if field[0].lower() not in _NOT_UPDATED
    ]
    replaced = {name.lower() for name, _ in new} | _OUTDATED
    return tuple([f for f in stored.fields if f[0].lower() not in replaced] + new)


def joined(fields: Iterable[Field]) -> dict[bytes, bytes]:
    """Fields by name in lower case, repeated ones joined by commas."""
    result: dict[bytes, bytes] = {}
    for name, value in fields:
        lower = name.lower()
        result[lower] = result[lower] + b", " + value if lower in result else value
    return result
