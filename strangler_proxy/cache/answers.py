"""Answers made of what is stored: whole, not modified, or a range of bytes."""

from __future__ import annotations

from strangler_proxy.cache.conditions import not_modified, wanted_range
from strangler_proxy.cache.freshness import Headers
from strangler_proxy.cache.stored import Stored
from strangler_proxy.errors import Field

# What a 304 repeats of the answer it stands for (RFC 9110 section 15.4.5).
_IN_304 = frozenset(
    {
        *(b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"),
        *(b"last-modified", b"cdn-cache-control"),
    }
)
_NO_LENGTH = frozenset({204, 304})


class Answer:
    """A complete answer: ``status``, ``body``, and its fields as ``lines()`` or ``fields()``.

    The fields have Age and Content-Length, and nothing that concerns a connection.
    """

    __slots__ = ("_lines", "_stored", "body", "extra", "status")

    def __init__(
        self,
        status: int,
        stored: tuple[Field, ...],
        extra: tuple[Field, ...],
        body: bytes,
        lines: bytes | None = None,
    ) -> None:
        self.status = status
        self._stored = stored
        self._lines = lines
        self.extra = extra
        self.body = body

    def fields(self) -> tuple[Field, ...]:
        """Pairs of name and value."""
        return self._stored + self.extra

    def lines(self) -> bytes:
        """The same as they are sent, each with its line end."""
        if self._lines is None:
            self._lines = _written(self._stored)
        return self._lines + _written(self.extra)


def _written(fields: tuple[Field, ...]) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def whole(stored: Stored, now: float, *, with_body: bool = True) -> Answer:
    """All of it; the answer to a HEAD is the same without body."""
    age = (b"age", b"%d" % max(0.0, now - stored.terms.born))
    extra: tuple[Field, ...] = (age,)
    if stored.status not in _NO_LENGTH:
        extra = (age, (b"content-length", b"%d" % len(stored.body)))
    body = stored.body if with_body else b""
    return Answer(stored.status, stored.fields, extra, body, stored.lines)


def answer(stored: Stored, method: bytes, headers: Headers, now: float) -> Answer:
    """What a request gets that may be answered from here, by its conditions and its range."""
    if 200 <= stored.status < 300 and not_modified(headers, stored, now):
        return _not_modified(stored, now)
    if method == b"GET" and stored.status == 200 and b"range" in headers:
        wanted = wanted_range(headers, stored)
        if wanted is not None:
            return _part(stored, now, *wanted)
    return whole(stored, now, with_body=method == b"GET")


def _not_modified(stored: Stored, now: float) -> Answer:
    fields = tuple([field for field in stored.fields if field[0].lower() in _IN_304])
    return Answer(304, fields, (whole(stored, now).extra[0],), b"")


def _part(stored: Stored, now: float, start: int, stop: int) -> Answer:
    """206, or 416 if there are no such bytes."""
    size = len(stored.body)
    age = whole(stored, now).extra[0]
    if start == stop:
        nothing = ((b"content-range", b"bytes */%d" % size), (b"content-length", b"0"))
        return Answer(416, (), nothing, b"")
    body = stored.body[start:stop]
    span = (b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, size))
    return Answer(206, stored.fields, (age, span, (b"content-length", b"%d" % len(body))), body)
