"""Lines of heads: those that need no second look, and what they say.

A line is remembered when httptools has found it good within a whole head, or when it is so plain
that httptools takes it for certain. Most come again and again.
"""

from __future__ import annotations

import re
from typing import Final

from strangler_proxy.auth.remembered import Remembered
from strangler_proxy.errors import BadAnswer, Field
from strangler_proxy.wire.framing import BadHead
from strangler_proxy.wire.heads import LOWER, NEVER_TWICE

LINES = 4096  # lines remembered, of each sort
LINE: Final = 1024  # bytes; longer ones are read each time
MINORS: Final = {b"HTTP/1.1\r": 1, b"HTTP/1.0\r": 0}
NO_REQUEST: Final = "The first line is not METHOD target HTTP/1.1."
# Lines that httptools takes for certain, and most that it takes: read without it.
PLAIN_REQUEST: Final = re.compile(
    rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /[A-Za-z0-9/._~%!$&'()*+,;=:@?-]* HTTP/1\.[01]\r"
).fullmatch
PLAIN_FIELD: Final = re.compile(rb"([A-Za-z0-9-]+): ?([!-~](?:[ -~]*[!-~])?)\r").fullmatch
# Of these it also judges the value.
_JUDGED: Final = frozenset(
    {b"connection", b"proxy-connection", b"content-length", b"transfer-encoding", b"upgrade"}
)


class RequestLine:
    """The first line of a request, read."""

    __slots__ = ("end", "method", "minor", "path", "target")

    def __init__(self, line: bytes) -> None:
        """Raises BadHead."""
        try:  # with one space in each of the two places, and CR behind it
            self.method, self.target, version = line.split(b" ")
            self.minor = MINORS[version]
        except (ValueError, KeyError):
            raise BadHead(400, "malformed_request", NO_REQUEST) from None
        self.path = self.target.partition(b"?")[0]
        self.end = len(line) + 1


class StatusLine:
    """The first line of an answer, read."""

    __slots__ = ("end", "line", "minor", "status")

    def __init__(self, line: bytes, status: int) -> None:
        """Raises BadAnswer."""
        self.status = status
        # In two steps: compiled, a slice that would end before it begins raises SystemError.
        self.line = line[:-1][9:]
        self.minor = MINORS.get(line[:8] + b"\r", -1) if line[-1:] == b"\r" else -1
        if self.minor < 0:
            raise BadAnswer("malformed head: the first line is not HTTP/1.1")
        self.end = len(line) + 1


# Lines up to their line feed, and what they say. A head of such lines alone needs no second look.
request_lines: Final = Remembered[bytes, RequestLine](LINES)
request_fields: Final = Remembered[bytes, Field](LINES)
status_lines: Final = Remembered[bytes, StatusLine](LINES)
answer_fields: Final = Remembered[bytes, Field](LINES)


def known(
    rows: list[bytes], fields: Remembered[bytes, Field], names: list[bytes]
) -> dict[bytes, bytes] | None:
    """The fields of a head whose lines are known or plain, their names to ``names``; else None."""
    headers: dict[bytes, bytes] = {}
    for at in range(1, len(rows) - 2):
        field = fields.get(rows[at]) or plain_field(rows[at], fields)
        if field is None:
            return None
        names.append(field[0])
        headers[field[0]] = field[1]
    return headers


def plain_field(row: bytes, fields: Remembered[bytes, Field]) -> Field | None:
    """What a plain line says that has not been seen before."""
    match = PLAIN_FIELD(row) if len(row) <= LINE else None
    if match is None:
        return None
    name, value = match.groups()
    lower = LOWER[name]
    if lower in _JUDGED:
        return None
    field = (lower, value)
    if lower not in NEVER_TWICE:
        fields.keep(row, field)
    return field


def learn(
    rows: list[bytes], fields: Remembered[bytes, Field], names: list[bytes]
) -> dict[bytes, bytes]:
    """The same for a head that httptools has found good; from now on its lines are known."""
    headers: dict[bytes, bytes] = {}
    for row in rows[1:-2]:
        field = fields.get(row)
        if field is None:
            name, _, value = row.partition(b":")
            field = (LOWER[name], value[:-1].lstrip(b" \t"))
            if len(row) <= LINE:
                fields.keep(row, field)
        names.append(field[0])
        headers[field[0]] = field[1]
    return headers
