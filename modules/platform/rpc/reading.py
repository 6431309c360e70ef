"""The answers of one HTTP/1.1 connection, read from the pieces in which they come.

The parser is llhttp (``httptools``). It is strict: what another reader might understand otherwise
(two lengths, a length and chunks, bare line feeds) is refused.
"""

from __future__ import annotations

from collections.abc import Callable

import httptools
import msgspec

MOST_HEAD = 65_536  # bytes of a head, together with any that say "continue"


class BadAnswer(Exception):
    """What came is no whole answer, or none that can be used."""


class Answer(msgspec.Struct, frozen=True):
    """An answer as it came. ``header`` finds one without regard to case."""

    status: int
    headers: dict[bytes, bytes]  # by name in small letters; the first of several
    body: bytes

    def header(self, name: str) -> str:
        """Empty when there is none."""
        return self.headers.get(name.lower().encode(), b"").decode("latin-1")


class Reader:
    """Reads one answer after another. The ``on_...`` methods are called by the parser."""

    def __init__(self, *, most: int) -> None:
        """``most`` bytes of a body are taken."""
        self._most = most
        self._parser = httptools.HttpResponseParser(self)

    def answer(self, receive: Callable[[], bytes]) -> tuple[Answer, bool]:
        """The next answer, and whether another may be asked for on this connection.

        ``receive`` gives the next piece, empty at the end. Raises BadAnswer, and what it raises.
        """
        self._begin()
        self._stays_open = self._is_whole = False
        self._fault = ""
        self._received = 0
        while not self._is_whole:
            piece = receive()
            if not piece:
                raise BadAnswer("it ended too soon")
            self._feed(piece)
        return Answer(self._status, self._headers, b"".join(self._body)), self._stays_open

    def _begin(self) -> None:
        self._status = self._size = 0
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    def _feed(self, piece: bytes) -> None:
        self._received += len(piece)
        try:
            self._parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._is_whole:
                raise BadAnswer(f"no HTTP: {error}") from error
            self._stays_open = False  # more came than the answer
        if self._fault:
            raise BadAnswer(self._fault)
        if self._received - self._size > MOST_HEAD + (self._most if self._status else 0):
            raise BadAnswer("the answer has too much beside its body")

    def on_message_begin(self) -> None:
        if self._is_whole:
            self._stays_open = False  # nobody has asked for another

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status and not self._is_whole:  # later ones, behind chunks, say nothing
            self._headers.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        if self._is_whole:
            return
        self._status = self._parser.get_status_code()
        has_body = self._status >= 200 and self._status not in (204, 304)
        if has_body and self._headers.keys().isdisjoint((b"content-length", b"transfer-encoding")):
            # It would end with the connection: one that was cut off would look whole.
            self._fault = "the answer has no length"

    def on_body(self, piece: bytes) -> None:
        if self._is_whole:
            return
        self._size += len(piece)
        if self._size > self._most:
            self._fault = "the answer is too large"
        else:
            self._body.append(piece)

    def on_message_complete(self) -> None:
        if self._is_whole:
            return
        if self._status < 200:
            self._begin()  # "continue" and the like: the answer itself comes next
            return
        self._is_whole = True
        self._stays_open = self._parser.should_keep_alive()
