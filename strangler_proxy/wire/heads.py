"""Heads of messages, and what of them may travel on.

A head passes on as the bytes it came in, unless a field of it must not travel: rebuilding it would
cost a tenth of all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from strangler_proxy.errors import Field

INTERNAL: Final = b"ficus-internal"  # every field Ficus-* and X-Ficus-*; none of them passes
_MEMORY: Final = 4096  # names remembered in lower case

# Fields that concern one connection, or that only the front door may set.
NOT_FORWARDED: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"),
        *(b"transfer-encoding", b"expect", b"proxy-authorization", b"proxy-authenticate"),
        *(b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"),
        *(b"x-forwarded-port", b"x-real-ip", b"x-request-id", b"traceparent", b"tracestate"),
        *(INTERNAL, b"ficus-fenced", b"ficus-moved", b"ficus-route"),
    }
)
NOT_RETURNED: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"),
        *(b"transfer-encoding", b"proxy-authenticate", INTERNAL),
        *(b"ficus-fenced", b"ficus-moved", b"ficus-route"),
    }
)
# Names that a Connection field cannot take out of a message: we, or the upstream, rely on them.
_NOT_OPTIONS: Final = frozenset({b"host", b"content-length", b"authorization", b"cookie"})
_READABLE_INTERNAL: Final = frozenset({b"ficus-route", b"ficus-fenced", b"ficus-moved"})
# The usual lines of it that say nothing but that, to be cut out of a head as they are.
_PLAIN_OPTIONS: Final = {
    value: b"\r\n%b: %b\r\n" % (b"Connection", value)
    for value in (b"keep-alive", b"close", b"Keep-Alive", b"Close")
}


class _LowerCase(dict[bytes, bytes]):
    """Names to their lower case; all internal ones, and what could be taken for ours, to one."""

    def __missing__(self, name: bytes) -> bytes:
        lower = name.lower()
        # A server that hands fields over as CGI did (WSGI) cannot tell an underscore from a dash.
        read = lower.replace(b"_", b"-")
        if read.startswith((b"ficus-", b"x-ficus-")):
            if lower not in _READABLE_INTERNAL:
                lower = INTERNAL
        elif read != lower and read in NOT_FORWARDED:
            lower = INTERNAL
        if len(self) < _MEMORY:
            self[name] = lower
        return lower


LOWER: Final = _LowerCase()


class Names:
    """The names of a head's fields in their order, and what follows from them alone.

    The heads of one sender have the same names again and again, so it is worked out once.
    """

    __slots__ = ("plain", "recurring", "simple", "unforwarded", "unreturned")

    def __init__(self, lower: tuple[bytes, ...]) -> None:
        self.plain = _FRAMING.isdisjoint(lower)  # nothing about the body or the connection
        # Whether each line is good does not depend on the others.
        self.simple = len(set(lower)) == len(lower) and _ENTANGLED.isdisjoint(lower)
        self.recurring = self.simple and NEVER_TWICE.isdisjoint(
            lower
        )  # the same head may come again
        self.unforwarded = NOT_FORWARDED.intersection(lower)
        self.unreturned = NOT_RETURNED.intersection(lower)


_FRAMING: Final = frozenset({b"connection", b"content-length", b"transfer-encoding", b"expect"})
NEVER_TWICE: Final = frozenset({b"traceparent", b"tracestate", b"x-request-id"})  # by their values
_ENTANGLED: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_names: Final[dict[tuple[bytes, ...], Names]] = {}


def names_of(lower: tuple[bytes, ...]) -> Names:
    """The names of one head."""
    known = _names.get(lower)
    if known is None:
        known = Names(lower)
        if len(_names) < _MEMORY:
            _names[lower] = known
    return known


class Head:
    """The fields of a message. ``raw`` ends with the empty line; names in ``headers`` are lower
    case, repeated fields joined by a comma (cookies by a semicolon). ``unfit`` are those of them
    that must not travel on."""

    __slots__ = (
        *("chunked", "fields_at", "headers", "keep_alive", "length", "minor", "raw", "sent"),
        "unfit",
    )

    raw: bytes
    sent: bytes  # what ``relayed`` gives, when it was asked for; else empty
    fields_at: int  # where the fields begin in raw
    minor: int  # HTTP/1.minor
    unfit: frozenset[bytes]
    headers: dict[bytes, bytes]
    length: int  # of the body; -1 when not announced
    chunked: bool
    keep_alive: bool

    @property
    def pairs(self) -> list[Field]:
        """The fields as they came. They have been read before, so their form is known."""
        rows = self.raw[self.fields_at : -4].split(b"\r\n") if self.headers else []
        found: list[Field] = []
        for row in rows:
            name, _, value = row.partition(b":")
            found.append((name, value.strip(b" \t")))
        return found

    def passing(self, dropped: frozenset[bytes]) -> bytes:
        """The lines that may travel on, each with its line end."""
        raw = self.raw if not self.unfit else self.cut()
        if raw:
            return raw[self.fields_at : -2]
        return lines(self.passing_pairs(dropped))

    def cut(self) -> bytes:
        """``raw`` without its plain Connection line; empty if more than that must not travel on."""
        if len(self.unfit) == 1 and b"connection" in self.unfit:
            line = _PLAIN_OPTIONS.get(self.headers[b"connection"])
            if line is not None:
                before, found, after = self.raw.partition(line)  # half the price of replace
                if found:
                    return before + b"\r\n" + after
        return b""

    def passing_pairs(self, dropped: frozenset[bytes]) -> list[Field]:
        """The same as pairs of name and value."""
        listed = self.headers.get(b"connection")
        if listed is not None:
            dropped |= {LOWER[token.strip()] for token in listed.split(b",")} - _NOT_OPTIONS
        return [(name, value) for name, value in self.pairs if LOWER[name] not in dropped]

    def upgrade(self) -> bytes:
        """The protocol that the sender wants to change to, in lower case, or nothing."""
        listed = self.headers.get(b"connection")
        if listed is None or b"upgrade" not in listed.lower():
            return b""
        return self.headers.get(b"upgrade", b"").strip().lower()


class RequestHead(Head):
    """A request's head. ``target`` as sent, ``path`` is it up to the query, ``host`` in lower
    case and without port."""

    __slots__ = ("address", "host", "method", "path", "secure", "target")

    method: bytes
    target: bytes
    path: bytes
    host: bytes
    address: str
    secure: bool

    def again(self) -> RequestHead:
        """The same for another request; nobody changes the fields of either."""
        other = RequestHead()
        other.raw, other.sent, other.fields_at = self.raw, self.sent, self.fields_at
        other.method, other.target, other.path = self.method, self.target, self.path
        other.host, other.minor = self.host, self.minor
        other.headers, other.unfit = self.headers, self.unfit
        other.length, other.chunked, other.keep_alive = self.length, self.chunked, self.keep_alive
        return other

    def relayed(self) -> bytes:
        """The first line and the lines that may travel on, as HTTP/1.1."""
        if not self.sent:
            self.sent = self._relay()
        return self.sent

    def _relay(self) -> bytes:
        raw = self.raw if not self.unfit else self.cut()
        if raw and self.minor and self.fields_at:
            return raw[:-2]
        fields = self.passing(NOT_FORWARDED)
        return b"%b %b HTTP/1.1\r\n%b" % (self.method, self.target, fields)


class ResponseHead(Head):
    """A response's head; ``line`` is its status line without the version."""

    __slots__ = ("line", "status")

    status: int
    line: bytes

    def relayed(self) -> bytes:
        """The first line and the lines that may travel on, as HTTP/1.1."""
        if not self.sent:
            self.sent = self._relay()
        return self.sent

    def _relay(self) -> bytes:
        raw = self.raw if not self.unfit else self.cut()
        if raw and self.minor and self.fields_at:
            return raw[:-2]
        return b"HTTP/1.1 %b\r\n%b" % (self.line, self.passing(NOT_RETURNED))

    def with_fields(self, fields: Collection[Field]) -> ResponseHead:
        """The same answer with other fields."""
        other = ResponseHead()
        other.status, other.line = self.status, self.line
        other.keep_alive, other.chunked = self.keep_alive, self.chunked
        other.headers = joined(fields)
        other.minor = 1
        other.unfit = NOT_RETURNED.intersection(other.headers)
        other.length = int(other.headers.get(b"content-length", b"-1"))
        other.raw, other.sent = lines(fields) + b"\r\n", b""
        other.fields_at = 0
        return other


def joined(fields: Iterable[Field]) -> dict[bytes, bytes]:
    """Values by name in lower case, repeated ones joined."""
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        lower = LOWER[name]
        if lower in found:
            found[lower] += (b"; " if lower == b"cookie" else b", ") + value
        else:
            found[lower] = value
    return found


def lines(fields: Iterable[Field]) -> bytes:
    """Fields as the lines of a head."""
    parts: list[bytes] = []
    for name, value in fields:  # joined once: a formatting of each line costs five times as much
        parts += (name, b": ", value, b"\r\n")
    return b"".join(parts)
