"""The client's side: one object per connection, reading requests and writing answers.

It frames messages, keeps its limits of size and time, and hands each request to an ``Exchange``.
Requests sent ahead (pipelining) wait in a bounded buffer until the answer before them is out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from strangler_proxy import hanging_up
from strangler_proxy.config import ClientLimits
from strangler_proxy.errors import Refusal
from strangler_proxy.exchange.exchange import Exchange
from strangler_proxy.exchange.request_body import on_body, on_broken_body
from strangler_proxy.wire.chunked import BadChunk, Decoder
from strangler_proxy.wire.forwarding import Peer
from strangler_proxy.wire.framing import BadHead
from strangler_proxy.wire.heads import RequestHead
from strangler_proxy.wire.http1 import END, RequestReader
from strangler_proxy.wire.reads import Reads

if TYPE_CHECKING:
    from strangler_proxy.app import Listener, Proxy

AHEAD: Final = 65_536  # bytes of requests sent ahead that we keep before we stop reading
_METHOD_START: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ\r")
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientConnection:
    """One client: an ``asyncio.Protocol`` by its methods, not by its base, so that it can be
    compiled. ``alarm`` is the time at which its patience or ours is over."""

    __slots__ = (
        *("_decoder", "_left", "_limits", "_paused", "_reader", "alarm", "asked", "exchange"),
        *("listener", "peer", "proxy", "reads", "stalled", "transport", "unread"),
    )

    def __init__(self, proxy: Proxy, listener: Listener) -> None:
        self.proxy = proxy
        self.listener = listener
        self.transport: asyncio.Transport
        self.exchange: Exchange | None = None
        self.peer: Peer
        self.alarm = 0.0
        self.asked = False  # at least once
        self._limits: ClientLimits = listener.limits
        self._reader = RequestReader(
            max_target=listener.limits.target_bytes, max_fields=listener.limits.header_count
        )
        self.reads = Reads.HEAD
        self.unread = b""
        self._left = 0
        self._decoder: Decoder | None = None
        self._paused = False  # we do not read
        self.stalled = False  # the client does not read

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.peer = self.listener.peer(transport)
        self.alarm = self.proxy.time() + self._limits.head_seconds
        if not self.proxy.admit(self):
            self.reads = Reads.CLOSED
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        reads = self.reads
        if reads == Reads.HEAD:
            self._read_head(data)
        elif reads == Reads.LENGTH:
            self._read_length(data)
        elif reads == Reads.CHUNKED:
            self._read_chunked(data)
        elif reads == Reads.WAIT:
            self.unread += data
            if len(self.unread) > AHEAD:
                self.pause()
        elif reads == Reads.TUNNEL and self.exchange is not None:
            on_body(self.exchange, data, False)

    def eof_received(self) -> bool:
        """The client is gone: one that merely ended its side cannot be told from it, and what
        nobody waits for is not worth an upstream's time. nginx and Envoy think so too."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.reads = Reads.CLOSED
        self.proxy.forget(self)
        exchange = self.exchange
        if exchange is not None:
            self.exchange = None
            exchange.on_client_lost()

    def pause_writing(self) -> None:
        self.stalled = True
        self.alarm = self.proxy.time() + self._limits.write_seconds
        if self.exchange is not None:
            self.exchange.on_client_slow(True)

    def resume_writing(self) -> None:
        self.stalled = False
        self.alarm = 0.0
        if self.exchange is not None:
            self.exchange.on_client_slow(False)

    # -- reading

    def _read_head(self, data: bytes) -> None:
        if self.unread:
            data = self.unread + data
            self.unread = b""
        elif data[0] == 13 and data.startswith(b"\r\n"):
            data = data[2:]  # RFC 9112 section 2.2: one empty line before a request is ignored
        rest = b""
        head = None
        if data[-4:] == END and len(data) - 4 <= self._limits.head_bytes:
            head = self._reader.known(data)
        if head is None:
            end = data.find(END)
            if end < 0 or end > self._limits.head_bytes:
                self._read_partial(data)
                return
            end += 4
            raw, rest = (data, b"") if end == len(data) else (data[:end], data[end:])
            try:
                head = self._reader.read(raw)
            except BadHead as error:
                self.refuse(error.refusal)
                return
        peer = self.peer
        head.address = peer.address
        head.secure = peer.secure
        if peer.trusted:
            self.listener.look_behind(peer, head)
        self._begin(head, rest)

    def _read_partial(self, data: bytes) -> None:
        """A head that is not whole yet: refuse early what can never become one."""
        if len(data) > self._limits.head_bytes:
            detail = f"The head is longer than {self._limits.head_bytes} bytes."
            self.refuse(Refusal(431, "head_too_long", detail))
        elif data and (data[0] not in _METHOD_START or b"\n\n" in data or not _plausible(data)):
            self.refuse(Refusal(400, "malformed_request", "This is not an HTTP/1.1 request."))
        else:
            if not self.unread and self.alarm > 0:
                self.alarm = min(self.alarm, self.proxy.time() + self._limits.head_seconds)
            self.unread = data

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        self.alarm = 0.0
        self.asked = True
        exchange = self.exchange = Exchange(self.proxy, self, head)
        if head.chunked or head.length > 0:
            self._begin_body(exchange, head, rest)
            return
        self.reads = Reads.WAIT
        exchange.begin(b"", True)
        if rest:
            self.data_received(rest)

    def _begin_body(self, exchange: Exchange, head: RequestHead, rest: bytes) -> None:
        self.alarm = self.proxy.time() + self._limits.body_seconds
        if head.chunked:
            self.reads = Reads.CHUNKED
            self._decoder = Decoder()
            exchange.begin(b"", False)
        elif len(rest) >= head.length:
            self.reads = Reads.WAIT
            self.alarm = 0.0
            exchange.begin(rest[: head.length], True)
            rest = rest[head.length :]
        else:
            self.reads = Reads.LENGTH
            self._left = head.length - len(rest)
            exchange.begin(rest, False)
            rest = b""
        if rest:
            self.data_received(rest)

    def _read_length(self, data: bytes) -> None:
        exchange = self.exchange
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            self.alarm = self.proxy.time() + self._limits.body_seconds
            if exchange is not None:
                on_body(exchange, data, False)
            return
        self.reads = Reads.WAIT
        self.alarm = 0.0
        if exchange is not None:
            on_body(exchange, data if len(data) == left else data[:left], True)
        if len(data) > left:
            self.data_received(data[left:])

    def _read_chunked(self, data: bytes) -> None:
        decoder = self._decoder
        assert decoder is not None  # noqa: S101 - set with this way of reading
        try:
            payload = decoder.feed(data)
        except BadChunk as error:
            self._broken_body(str(error))
            return
        exchange = self.exchange
        if not decoder.ended:
            self.alarm = self.proxy.time() + self._limits.body_seconds
            if payload and exchange is not None:
                on_body(exchange, payload, False)
            return
        self.reads = Reads.WAIT
        self.alarm = 0.0
        self._decoder = None
        if exchange is not None:
            on_body(exchange, payload, True)
        if decoder.rest:
            self.data_received(decoder.rest)

    def _broken_body(self, detail: str) -> None:
        refusal = Refusal(400, "malformed_body", f"The body is malformed: {detail}.")
        if self.exchange is not None:
            on_broken_body(self.exchange, refusal)
        else:
            self.close()

    # -- for the exchange

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def ask_for_body(self) -> None:
        """Expect: 100-continue is met."""
        if self.reads in (Reads.LENGTH, Reads.CHUNKED):
            self.transport.write(CONTINUE)

    def tunnel(self) -> None:
        self.reads = Reads.TUNNEL
        self.alarm = 0.0
        if self.unread and self.exchange is not None:
            data, self.unread = self.unread, b""
            on_body(self.exchange, data, False)

    def pause(self) -> None:
        """Do not read; so the client is not to blame for silence."""
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()
            if self.reads in (Reads.LENGTH, Reads.CHUNKED) and not self.stalled:
                self.alarm = 0.0

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()
                if self.reads in (Reads.LENGTH, Reads.CHUNKED) and not self.stalled:
                    self.alarm = self.proxy.time() + self._limits.body_seconds

    def done(self, keep_alive: bool, now: float) -> None:
        """The answer is written. Wait for the next request, or close."""
        self.exchange = None
        if not keep_alive or self.reads != Reads.WAIT:
            self.close()
            return
        self.reads = Reads.HEAD
        self.alarm = now + self._limits.idle_seconds
        if self._paused:
            self.resume()
        if self.unread:
            data, self.unread = self.unread, b""
            # Not from here: a thousand requests sent ahead would be as many frames deep.
            self.proxy.loop.call_soon(self._go_on, data)

    def _go_on(self, data: bytes) -> None:
        if self.reads == Reads.HEAD and not self.transport.is_closing():
            later, self.unread = self.unread, b""
            self.data_received(data + later)

    def refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, and close."""
        self.proxy.refused_head(self, refusal)
        self.close()

    def close(self) -> None:
        """Close when all is written."""
        hanging_up.close(self)

    def abort(self) -> None:
        """Close at once: the client must see that its answer is not whole."""
        self.reads = Reads.CLOSED
        self.exchange = None
        self.transport.abort()


def _plausible(data: bytes) -> bool:
    """Whether the first line, if it is whole, is a request line of HTTP/1.1."""
    line, found, _ = data.partition(b"\n")
    return not found or line.endswith((b" HTTP/1.1\r", b" HTTP/1.0\r"))
