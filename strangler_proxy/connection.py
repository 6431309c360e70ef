"""One connection to an instance of an upstream: a request goes out, its answer comes in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from strangler_proxy.errors import BadAnswer, ConnectionLost, UpstreamFailed
from strangler_proxy.wire.chunked import BadChunk, Decoder
from strangler_proxy.wire.heads import ResponseHead
from strangler_proxy.wire.http1 import END, ResponseReader
from strangler_proxy.wire.reads import Reads

if TYPE_CHECKING:
    from strangler_proxy.attempt import Attempt
    from strangler_proxy.pool import Pool

MAX_HEAD: Final = 65_536  # bytes of an answer's head; upstreams are ours, cookies can be many


class UpstreamConnection:
    """One connection. Between requests it lies in its pool.

    An ``asyncio.Protocol`` by its methods, not by its base, so that it can be compiled.
    """

    __slots__ = (
        *("_answered", "_buffer", "_decoder", "_left", "_no_body", "_reader", "_reads"),
        *("_reusable", "_unsent", "pool", "receiver", "served", "since", "transport"),
    )

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.transport: asyncio.Transport
        self.receiver: Attempt | None = None
        self.served = 0
        self.since = 0.0  # when it was put into the pool
        self._reader = ResponseReader()
        self._buffer = b""
        self._reads = Reads.IDLE
        self._left = 0
        self._decoder: Decoder | None = None
        self._no_body = False
        self._answered = False
        self._reusable = True
        self._unsent = False  # the request's body is still on its way

    # -- the sending side

    def send(self, receiver: Attempt, data: bytes, *, no_body: bool, whole: bool) -> None:
        """Send a request's head and what there is of its body; ``receiver`` gets the answer.

        ``no_body``: the answer has none (HEAD). ``whole``: the request ends with these bytes.
        """
        self.receiver = receiver
        self.served += 1
        self._reads = Reads.HEAD
        self._answered = False
        self._no_body = no_body
        self._unsent = not whole
        self.transport.write(data)

    def send_more(self, data: bytes, *, whole: bool) -> None:
        """Send more of the body."""
        self._unsent = not whole
        if data:
            self.transport.write(data)

    @property
    def is_stale(self) -> bool:
        """Whether it had served before and was lost before a byte of an answer came."""
        return self.served > 1 and not self._answered

    def tunnel(self) -> None:
        """From now on bytes are bytes (after 101)."""
        self._reads = Reads.TUNNEL

    def pause(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def drop(self) -> None:
        """Let go of the receiver and close at once: what may still come is not wanted."""
        self.receiver = None
        self._reads = Reads.CLOSED
        self.transport.abort()

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.pool.made(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.pool.lost(self)
        receiver, reads = self.receiver, self._reads
        self.receiver = None
        self._reads = Reads.CLOSED
        if receiver is None:
            return
        if error is None and reads in (Reads.TO_END, Reads.TUNNEL):
            receiver.on_data(b"", True)
        else:
            receiver.on_failed(ConnectionLost(str(error or "closed before the answer was whole")))

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        if self.receiver is not None:
            self.receiver.on_upstream_paused()

    def resume_writing(self) -> None:
        if self.receiver is not None:
            self.receiver.on_upstream_resumed()

    def data_received(self, data: bytes) -> None:
        reads = self._reads
        if reads == Reads.HEAD:
            self._read_head(data)
        elif reads == Reads.LENGTH:
            self._read_length(data)
        elif reads == Reads.CHUNKED:
            self._read_chunked(data)
        elif reads in (Reads.TO_END, Reads.TUNNEL):
            if self.receiver is not None:
                self.receiver.on_data(data, False)
        else:  # nobody asked: a connection that talks by itself cannot be trusted
            self.drop()

    # -- the receiving side

    def _read_head(self, data: bytes) -> None:
        self._answered = True
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        while data:  # as long as these are heads of 1xx: they are for the next hop alone
            end = data.find(END)
            if end < 0 or end > MAX_HEAD:
                self._keep_part(data)
                return
            end += 4
            raw, data = (data, b"") if end == len(data) else (data[:end], data[end:])
            try:
                head = self._reader.read(raw)
            except BadAnswer as error:
                self._fail(error)
                return
            if head.status >= 200 or head.status == 101:
                self._begin_body(head, data)
                return

    def _keep_part(self, data: bytes) -> None:
        """A head that is not whole yet, or too long."""
        self._buffer = data
        if len(data) > MAX_HEAD:
            self._fail(BadAnswer(f"a head of more than {MAX_HEAD} bytes"))

    def _begin_body(self, head: ResponseHead, rest: bytes) -> None:
        self._reusable = head.keep_alive
        if self._no_body or head.status in (204, 304, 101):
            if head.status == 101:
                self._reads = Reads.TUNNEL
                self.receiver.on_answer(head, rest, False)  # type: ignore[union-attr]
                return
            self._answer(head, b"", rest)
        elif head.chunked:
            self._begin_chunked(head, rest)
        elif head.length >= 0:
            missing = head.length - len(rest)
            if missing <= 0:
                self._answer(head, rest[: head.length] if missing else rest, rest[head.length :])
            else:
                self._reads = Reads.LENGTH
                self._left = missing
                self.receiver.on_answer(head, rest, False)  # type: ignore[union-attr]
        else:
            self._reads = Reads.TO_END
            self.receiver.on_answer(head, rest, False)  # type: ignore[union-attr]

    def _answer(self, head: ResponseHead, body: bytes, extra: bytes) -> None:
        """The whole answer came at once."""
        receiver = self._release(clean=not extra)
        receiver.on_answer(head, body, True)

    def _begin_chunked(self, head: ResponseHead, rest: bytes) -> None:
        decoder = self._decoder = Decoder()
        try:
            payload = decoder.feed(rest) if rest else b""
        except BadChunk as error:
            self._fail(BadAnswer(str(error)))
            return
        if decoder.ended:
            self._answer(head, payload, decoder.rest)
        else:
            self._reads = Reads.CHUNKED
            self.receiver.on_answer(head, payload, False)  # type: ignore[union-attr]

    def _read_length(self, data: bytes) -> None:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            self.receiver.on_data(data, False)  # type: ignore[union-attr]
        else:
            extra = left < 0
            if extra:
                data = data[: self._left]
            self._release(clean=not extra).on_data(data, True)

    def _read_chunked(self, data: bytes) -> None:
        decoder = self._decoder
        assert decoder is not None  # noqa: S101 - set with this way of reading
        try:
            payload = decoder.feed(data)
        except BadChunk as error:
            self._fail(BadAnswer(str(error)))
            return
        if decoder.ended:
            self._release(clean=not decoder.rest).on_data(payload, True)
        elif payload:
            self.receiver.on_data(payload, False)  # type: ignore[union-attr]

    def _release(self, *, clean: bool) -> Attempt:
        """The answer is whole: back into the pool, if it may be used again."""
        receiver = self.receiver
        assert receiver is not None  # noqa: S101 - an answer is read for somebody
        self.receiver = None
        self._decoder = None
        if clean and self._reusable and not self._unsent and self.pool.keep(self):
            self._reads = Reads.IDLE
        else:
            self._reads = Reads.CLOSED
            self.transport.close()
        return receiver

    def _fail(self, error: UpstreamFailed) -> None:
        receiver = self.receiver
        self.drop()
        if receiver is not None:
            receiver.on_failed(error)
