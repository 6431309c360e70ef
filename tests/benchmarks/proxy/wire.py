"""A strict reading of HTTP/1.1 requests (RFC 9112): what is wrong with bytes that arrived.

It judges what a proxy sends on, so it forgives nothing: what a lenient upstream might read in two
ways is a fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_START = re.compile(rb"(%s) ([\x21\x22\x24-\x7e]+) HTTP/1\.([01])" % _TOKEN)
_FIELD = re.compile(rb"(%s):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*" % _TOKEN)
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(:[0-9]*)?")
_CODINGS = re.compile(rb"(%s[ \t]*,[ \t]*)*chunked" % _TOKEN, re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?")


class _Fault(Exception):
    """The bytes are not HTTP/1.1."""


class _More(Exception):
    """The bytes end before the message does."""


@dataclass(frozen=True, slots=True)
class Message:
    """One whole request. Field names are lower case."""

    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """``rest`` begins no whole message; ``fault`` says why it never will, or is empty."""

    messages: tuple[Message, ...]
    rest: bytes
    fault: str


def read(data: bytes) -> Reading:
    """All whole requests at the beginning of ``data``."""
    messages: list[Message] = []
    while data:
        try:
            message, data = _message(data)
        except _More:
            break
        except _Fault as fault:
            return Reading(tuple(messages), data, str(fault))
        messages.append(message)
    return Reading(tuple(messages), data, "")


def _message(data: bytes) -> tuple[Message, bytes]:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        _lines(data.rpartition(b"\r\n")[0])
        raise _More
    start, *lines = _lines(data[:end])
    if (found := _START.fullmatch(start)) is None:
        raise _Fault(f"request line {start[:80]!r}")
    fields = tuple(_field(line) for line in lines)
    if found[3] == b"1" or any(name == b"host" for name, _value in fields):
        _host(fields)
    return Message(found[1], found[2], fields), _body(fields, found[3], data[end + 4 :])


def _lines(head: bytes) -> list[bytes]:
    lines = head.split(b"\r\n")
    for line in lines:
        if b"\r" in line or b"\n" in line:
            raise _Fault(f"bare CR or LF in {line[:80]!r}")
    return lines


def _field(line: bytes) -> tuple[bytes, bytes]:
    if (found := _FIELD.fullmatch(line)) is None:
        raise _Fault(f"field line {line[:80]!r}")
    return found[1].lower(), found[2]


def _host(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) != 1 or _HOST.fullmatch(hosts[0]) is None:
        raise _Fault(f"Host {hosts!r}")


def _body(fields: tuple[tuple[bytes, bytes], ...], minor: bytes, data: bytes) -> bytes:
    """What follows the body."""
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise _Fault(f"framing by {lengths + codings!r}")
    if codings:
        if minor == b"0" or _CODINGS.fullmatch(codings[0]) is None:
            raise _Fault(f"Transfer-Encoding {codings[0]!r} in HTTP/1.{minor.decode()}")
        return _chunks(data)
    if not lengths:
        return data
    if re.fullmatch(rb"[0-9]{1,18}", lengths[0]) is None:
        raise _Fault(f"Content-Length {lengths[0]!r}")
    if len(data) < int(lengths[0]):
        raise _More
    return data[int(lengths[0]) :]


def _chunks(data: bytes) -> bytes:
    while True:
        line, data = _line(data)
        if (found := _CHUNK.fullmatch(line)) is None:
            raise _Fault(f"chunk size {line[:80]!r}")
        size = int(found[1], 16)
        if not size:
            return _trailer(data)
        if len(data) < size + 2:
            raise _More
        if data[size : size + 2] != b"\r\n":
            raise _Fault(f"{data[size : size + 2]!r} after a chunk of {size}")
        data = data[size + 2 :]


def _trailer(data: bytes) -> bytes:
    while True:
        line, data = _line(data)
        if not line:
            return data
        _field(line)


def _line(data: bytes) -> tuple[bytes, bytes]:
    line, ended, rest = data.partition(b"\r\n")
    if b"\n" in line or b"\r" in line.removesuffix(b"\r"):
        raise _Fault(f"bare CR or LF in {line[:80]!r}")
    if not ended:
        raise _More
    return line, rest
