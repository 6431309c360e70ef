"""The chunked transfer coding (RFC 9112 section 7.1), read strictly and written anew.

Extensions and trailers are read and dropped; a bare LF, a sign, spaces or too many digits in a
size are refused, for these are what request smuggling is made of.
"""

from __future__ import annotations

import re
from typing import Final

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})((?:[ \t]*;[^\r\n\x00]*)?)\Z")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\x00]*\Z")
MAX_LINE = 4096  # of a size with its extensions, or of a trailer
MAX_TRAILERS = 16_384  # bytes
LAST = b"0\r\n\r\n"


class _State:
    """What is read next."""

    SIZE: Final = 0
    DATA: Final = 1
    AFTER: Final = 2
    TRAILERS: Final = 3


class BadChunk(Exception):
    """The coding is broken; what follows cannot be told from the next message."""


def encode(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Decoder:
    """Feed it bytes; it gives the payload. ``ended`` after the last chunk, ``rest`` is what came
    behind it."""

    __slots__ = ("_buffer", "_left", "_state", "_trailers", "ended", "rest")

    def __init__(self) -> None:
        self._buffer = b""
        self._state = _State.SIZE
        self._left = 0
        self._trailers = 0
        self.ended = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """The payload in these bytes, perhaps none. Raises BadChunk."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        payload: list[bytes] = []
        at = 0
        while at < len(data) and not self.ended:
            if self._state == _State.DATA:
                piece = data[at : at + self._left]
                payload.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _State.AFTER
                continue
            line_end = self._line_end(data, at)
            if line_end < 0:
                self._buffer = data[at:]
                return b"".join(payload)
            self._line(data[at:line_end])
            at = line_end + 2
        if self.ended:
            self.rest = data[at:]
        return payload[0] if len(payload) == 1 else b"".join(payload)

    def _line_end(self, data: bytes, at: int) -> int:
        """Where the line ends; -1 when it has not come yet."""
        found = data.find(b"\n", at)
        if found < 0:
            if len(data) - at > MAX_LINE:
                raise BadChunk("a line of the coding is too long")
            if self._state == _State.AFTER and data[at:] != b"\r":
                raise BadChunk("a chunk is longer than its size")
            return -1
        if found == at or data[found - 1] != 13:
            raise BadChunk("a line of the coding ends without CR")
        if found - at > MAX_LINE:
            raise BadChunk("a line of the coding is too long")
        return found - 1

    def _line(self, line: bytes) -> None:
        if self._state == _State.AFTER:
            if line:
                raise BadChunk("a chunk is longer than its size")
            self._state = _State.SIZE
        elif self._state == _State.SIZE:
            match = _SIZE.match(line)
            if match is None:
                raise BadChunk("a chunk's size is not a plain hexadecimal number")
            self._left = int(match[1], 16)
            self._state = _State.DATA if self._left else _State.TRAILERS
        elif line:
            self._trailers += len(line)
            if not _TRAILER.match(line) or self._trailers > MAX_TRAILERS:
                raise BadChunk("a trailer is malformed or there are too many")
        else:
            self.ended = True
