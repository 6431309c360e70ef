"""Copies of requests for another upstream: detached, bounded, thrown away or recorded in pairs.

A copy is sent when the client has its answer, with a bulkhead and a deadline of its own. A mirror
that hangs holds so many copies and no more; those that find no place are counted and forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strangler_proxy import config
from strangler_proxy.attempt import Attempt
from strangler_proxy.errors import Field, TimedOut, UpstreamFailed
from strangler_proxy.exchange.outgoing import told
from strangler_proxy.metrics import Event
from strangler_proxy.mirror.exchanged import Answered, Asked, Exchanged, Tap
from strangler_proxy.wire.heads import NOT_FORWARDED, NOT_RETURNED, ResponseHead, lines

if TYPE_CHECKING:
    from strangler_proxy.app import Proxy
    from strangler_proxy.exchange.exchange import Exchange
    from strangler_proxy.mirror.recording import Recorder

MARK = b"Ficus-Mirror: 1\r\n"  # so that the service knows that nobody waits for its answer


class Seen:
    """An answer as it goes by, for a recorded pair."""

    __slots__ = ("_recorder", "fields", "status", "tap")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.status: int | None = None
        self.fields: tuple[Field, ...] = ()
        self.tap: Tap | None = None

    def on_answer(self, head: ResponseHead, data: bytes) -> None:
        """It begins; what there was of an attempt before does not count."""
        self.status = head.status
        self.fields = tuple(head.passing_pairs(NOT_RETURNED))
        self.tap = self._recorder.tap()
        self.on_data(data)

    def on_data(self, data: bytes) -> None:
        if data and self.tap is not None:
            self.tap.feed(data)

    def answered(self, upstream: str, seconds: float, failure: str) -> Answered:
        """As the recorder takes it. ``failure``: why it is not whole, or empty."""
        return Answered(
            upstream=upstream,
            status=self.status,
            fields=self.fields,
            body=self.tap,
            seconds=seconds,
            failure=failure or None,
        )


class Copying:
    """The part of a mirrored exchange: keeps what the copy will need.

    What is seen is the upstream's own answer, before the route's rules: so is the copy's.
    """

    __slots__ = ("_exchange", "_mirror", "_seen")

    def __init__(self, exchange: Exchange, mirror: config.Mirror) -> None:
        self._exchange = exchange
        self._mirror = mirror
        recorder = exchange.proxy.recorder
        self._seen = Seen(recorder) if mirror.record and recorder is not None else None

    def on_answer(self, head: ResponseHead, data: bytes) -> None:
        if self._seen is not None:
            self._seen.on_answer(head, data)

    def on_data(self, data: bytes) -> None:
        if self._seen is not None:
            self._seen.on_data(data)

    def on_end(self) -> None:
        """The client has its answer: send the copy."""
        exchange, mirror = self._exchange, self._mirror
        if not exchange.ended or not exchange.kept or exchange.bytes_in > mirror.body_bytes:
            exchange.proxy.metrics.count(Event.MIRRORED, mirror.upstream, "too_large")
        elif exchange.status not in (0, 101, 499):
            exchange.proxy.mirrors.send(exchange, mirror, self._primary())

    def _primary(self) -> Answered | None:
        """What the copy's answer is to be compared with. Never what a fallback has said."""
        exchange = self._exchange
        if self._seen is None or exchange.fallen_back:
            return None
        seconds = exchange.proxy.time() - exchange.started
        return self._seen.answered(exchange.asked.upstream.name, seconds, exchange.code)


class Mirrors:
    """All copies under way."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._under_way: dict[str, int] = {}

    def send(self, exchange: Exchange, mirror: config.Mirror, primary: Answered | None) -> None:
        """Send a copy, if there is a place for it; soon: the client's answer goes first."""
        count = self._under_way.get(mirror.upstream, 0)
        if count >= mirror.concurrent:
            self._proxy.metrics.count(Event.MIRRORED, mirror.upstream, "dropped")
            return
        self._under_way[mirror.upstream] = count + 1
        self._proxy.loop.call_soon(self._begin, exchange, mirror, primary)

    def _begin(self, exchange: Exchange, mirror: config.Mirror, primary: Answered | None) -> None:
        copy = Copy(exchange, mirror, primary)
        self._proxy.timed.add(copy)
        copy.start()

    def ended(self, copy: Copy, result: str) -> None:
        """A copy is over."""
        self._under_way[copy.mirror.upstream] -= 1
        self._proxy.timed.discard(copy)
        self._proxy.metrics.count(Event.MIRRORED, copy.mirror.upstream, result)
        copy.record()


class Copy:
    """One copy; owner of its attempt."""

    def __init__(self, exchange: Exchange, mirror: config.Mirror, primary: Answered | None) -> None:
        proxy = self.proxy = exchange.proxy
        self.mirror = mirror
        self.started = proxy.time()
        self.expires = self.started + mirror.deadline_seconds
        recorder = self._recorder = proxy.recorder if primary is not None else None
        self._primary = primary
        self._seen = Seen(recorder) if recorder is not None else None
        self._exchange = exchange
        self._deadline = b"Ficus-Deadline: %d\r\n" % (mirror.deadline_seconds * 1000)
        self._failure = ""
        self._body = b"".join(exchange.body)
        self._fields = _fields(exchange, len(self._body))
        self._attempt: Attempt | None = None

    def start(self) -> None:
        exchange = self._exchange
        upstream = exchange.state.upstreams[self.mirror.upstream]
        no_body = exchange.head.method == b"HEAD"
        attempt = self._attempt = Attempt(self, upstream, no_body=no_body, detached=True)
        attempt.start()

    def message(self) -> tuple[bytes, bool]:
        exchange = self._exchange
        target = exchange.target or exchange.head.target
        parts = (
            *(exchange.head.method, b" ", target, b" HTTP/1.1\r\n"),
            *(lines(self._fields), told(exchange, self._deadline), MARK, b"\r\n", self._body),
        )
        return b"".join(parts), True

    def on_answer(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        if self._seen is not None:
            self._seen.on_answer(head, data)
        if ended:
            self._end("sent")

    def on_data(self, data: bytes, ended: bool) -> None:
        if self._seen is not None:
            self._seen.on_data(data)
        if ended:
            self._end("sent")

    def on_failed(self, error: UpstreamFailed) -> None:
        self._failure = error.code
        self._end("failed")

    def on_expired(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel(failed=True)
            self.on_failed(TimedOut("the copy took too long"))

    def on_upstream_paused(self) -> None:
        """What is sent is small and all there."""

    def on_upstream_resumed(self) -> None:
        """As above."""

    def record(self) -> None:
        """Give both answers to the recorder, if the mirror records."""
        recorder, primary, seen = self._recorder, self._primary, self._seen
        if recorder is None or primary is None or seen is None:
            return
        exchange, proxy = self._exchange, self.proxy
        asked = recorder.tap()
        asked.feed(self._body)
        recorder.record(
            Exchanged(
                at=proxy.wall(),
                route=exchange.way.name,
                capability=exchange.way.capability,
                request_id=exchange.request_id.decode(),
                trace_id=exchange.trace.trace_id,
                revision=exchange.state.table.revision,
                epoch=exchange.decision.epoch,
                request=Asked(
                    method=exchange.head.method,
                    target=exchange.target or exchange.head.target,
                    fields=tuple(self._fields),
                    body=asked,
                ),
                primary=primary,
                mirrored=seen.answered(
                    self.mirror.upstream, proxy.time() - self.started, self._failure
                ),
            )
        )

    def _end(self, result: str) -> None:
        self._attempt = None  # or the two would wait for the garbage collector
        self.proxy.mirrors.ended(self, result)


def _fields(exchange: Exchange, length: int) -> list[Field]:
    """Those of the request, framed by a length."""
    fields = exchange.fields
    if fields is None:
        fields = exchange.head.passing_pairs(NOT_FORWARDED)
    kept = [field for field in fields if field[0].lower() != b"content-length"]
    head = exchange.head
    if length or head.chunked or head.length == 0:
        kept.append((b"Content-Length", b"%d" % length))
    return kept
