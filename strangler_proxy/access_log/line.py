"""What a line of the access log says, and how it is made plain ASCII JSON.

A line never holds a token, a cookie, a header or the query: of the query only its length is
written, because people put secrets there. No byte of a hostile path or subject reaches a
terminal. Members that have nothing to say are left out.

    ts          when the request's head was complete; RFC 3339, UTC, milliseconds
    method path query status ms bytes_in bytes_out
                path as sent, without the query, cut after 512 bytes; query is its length in bytes
    route upstream instance side phase
                by whom it was answered, and where the capability stood
    request_id trace_id subject address
                subject is the identity's, cut after 128 characters
    attempts    how many upstreams were asked, if not one
    code        the problem's, if it was answered here
    cache       what the cache said
    held_ms     how long it waited for its capability's authority
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Final

from msgspec import to_builtins
from msgspec.json import Encoder

from strangler_proxy.access_log.record import Line, Lost, Record

__all__ = ["MAX_PATH", "MAX_TEXT", "Formatter", "Line", "Record"]

# With these a line stays below PIPE_BUF (4096) even if every byte needs an escape of four.
MAX_PATH: Final = 512  # bytes
MAX_TEXT: Final = 128  # characters of a subject and of an id


class Formatter:
    """Makes lines of records. Remembers the last time it wrote: many come in one millisecond."""

    __slots__ = ("_millisecond", "_second", "_stamp", "_time_written")

    def __init__(self) -> None:
        self._second = self._millisecond = -1
        self._stamp = self._time_written = ""

    def lines(self, records: Iterable[Record]) -> bytes:
        """One JSON object a line, each ended by a newline."""
        lines = [self._line(record) for record in records]
        try:
            data = _ENCODER.encode_lines(lines)
        except UnicodeEncodeError:  # half of a surrogate pair in a token's subject
            return _ascii(lines)
        return data if data.isascii() else _ascii(lines)

    def lost(self, ts: float, lines: int) -> bytes:
        """The line that says how many are missing."""
        return _ENCODER.encode_lines([Lost(self._time(ts), lines)])

    def _time(self, ts: float) -> str:
        millisecond = int(ts * 1000)
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            second, rest = divmod(millisecond, 1000)
            if second != self._second:
                self._second = second
                self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._time_written = f"{self._stamp}.{rest:03d}Z"
        return self._time_written

    def _line(self, record: Record) -> Line:
        (
            ts, method, path, query, route, upstream, instance, side, phase, status, seconds,
            bytes_in, bytes_out, request_id, trace_id, subject, address, attempts, code, cache,
            held,
        ) = record  # fmt: skip
        return Line(
            self._time(ts),
            _METHODS.get(method) or _text(method),
            _text(path if len(path) <= MAX_PATH else path[:MAX_PATH]),
            query,
            route,
            upstream,
            instance,
            side,
            phase,
            status,
            int(seconds * 1e6 + 0.5) / 1000,
            bytes_in,
            bytes_out,
            request_id[:MAX_TEXT],
            trace_id,
            subject[:MAX_TEXT],
            address,
            attempts,
            code,
            cache,
            round(held * 1000, 3) if held else None,
        )


_ENCODER = Encoder()
_METHODS: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
}


def _text(wire: bytes) -> str:
    """What is no UTF-8 is written as \\xNN: what it means is anybody's guess."""
    try:
        return wire.decode()
    except UnicodeDecodeError:
        return str(wire, "ascii", "backslashreplace")


def _ascii(lines: Iterable[Line]) -> bytes:
    """Slower, for lines with letters beyond ASCII: they are written as \\uNNNN."""
    return b"".join(json.dumps(_clean(line)).encode() + b"\n" for line in lines)


def _clean(line: Line) -> dict[str, object]:
    members: dict[str, object] = to_builtins(line)
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in members.items()
    }
