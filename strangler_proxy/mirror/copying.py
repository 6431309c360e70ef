"""Copies of requests for another upstream: detached, bounded, thrown away or recorded in pairs.

A copy is sent when the client has its answer, with a bulkhead and a deadline of its own. A mirror
that hangs holds so many copies and no more. Those that find no place are counted and forgotten:
when the request comes, so that it costs nothing more, or when it is answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from strangler_proxy import config
from strangler_proxy.errors import Field
from strangler_proxy.exchange.outgoing import told
from strangler_proxy.metrics import Event
from strangler_proxy.mirror.asking import Asking, Question
from strangler_proxy.mirror.confirming import REPEATABLE, Confirmation, differ
from strangler_proxy.mirror.exchanged import Answered, Asked, Exchanged
from strangler_proxy.mirror.seen import Seen
from strangler_proxy.wire.heads import NOT_FORWARDED, ResponseHead, lines

if TYPE_CHECKING:
    from strangler_proxy.app import Proxy, State
    from strangler_proxy.exchange.exchange import Exchange
    from strangler_proxy.upstream import Upstream

MARK = b"Ficus-Mirror: 1\r\n"  # so that the service knows that nobody waits for its answer


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
    """All copies under way, and beside them as many pairs that are being confirmed."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._confirming: Counter[str] = Counter()

    def send(self, exchange: Exchange, mirror: config.Mirror, primary: Answered | None) -> None:
        """Send a copy, if there is a place for it; soon: the client's answer goes first."""
        if not self._proxy.places.has(mirror, exchange.state.upstreams[mirror.upstream]):
            return
        self._proxy.places.take(mirror.upstream)
        self._proxy.loop.call_soon(self._begin, exchange, mirror, primary)

    def _begin(self, exchange: Exchange, mirror: config.Mirror, primary: Answered | None) -> None:
        copy = Copy(exchange, mirror, primary)
        copy.asking(copy.state.upstreams[mirror.upstream], copy.on_over).start()

    def sent(self, copy: Copy, mirrored: Answered | None, result: str) -> None:
        """A copy is over: record the pair, or confirm first that it differs."""
        name, primary = copy.mirror.upstream, copy.primary
        self._proxy.places.leave(name)
        self._proxy.metrics.count(Event.MIRRORED, name, result)
        if primary is None or mirrored is None:
            return
        if not copy.is_to_confirm or not differ(primary, mirrored):
            copy.record(primary, mirrored)
        elif self._confirming[name] >= copy.mirror.concurrent:
            self._proxy.metrics.count(Event.CONFIRMED, name, "dropped")
            copy.record(primary, mirrored)
        else:
            self._confirming[name] += 1
            Confirmation(self, copy, primary, mirrored).wait()

    def confirmed(self, one: Confirmation) -> None:
        """Both were asked again, or could not be: record what they said last."""
        self._confirming[one.copy.mirror.upstream] -= 1
        one.copy.record(one.primary, one.mirrored, one.attempts)


class Copy:
    """One request that is copied, and what is recorded of it."""

    def __init__(self, exchange: Exchange, mirror: config.Mirror, primary: Answered | None) -> None:
        self.proxy: Proxy = exchange.proxy
        self.state: State = exchange.state
        self.mirror: config.Mirror = mirror
        self.primary: Answered | None = primary
        self.is_to_confirm: bool = mirror.confirm_seconds > 0 and exchange.head.method in REPEATABLE
        self._exchange = exchange
        self._body = b"".join(exchange.body)
        self._fields = _fields(exchange, len(self._body))
        self._question = Question(
            message=self._message(),
            is_head=exchange.head.method == b"HEAD",
            deadline_seconds=mirror.deadline_seconds,
            recorder=self.proxy.recorder if primary is not None else None,
        )

    def asking(self, upstream: Upstream, over: Callable[[Asking], None]) -> Asking:
        """The request for one of both; not started yet."""
        return Asking(self.proxy, upstream, self._question, over)

    def on_over(self, asking: Asking) -> None:
        """The copy was answered, or not."""
        self.proxy.mirrors.sent(self, asking.answered(), "failed" if asking.failure else "sent")

    def record(self, primary: Answered, mirrored: Answered, attempts: int = 1) -> None:
        """Give both answers to the recorder."""
        exchange, recorder = self._exchange, self._question.recorder
        if recorder is None:
            return
        asked = recorder.tap()
        asked.feed(self._body)
        recorder.record(
            Exchanged(
                at=self.proxy.wall(),
                route=exchange.way.name,
                capability=exchange.way.capability,
                request_id=exchange.request_id.decode(),
                trace_id=exchange.trace.trace_id,
                revision=self.state.table.revision,
                epoch=exchange.decision.epoch,
                request=Asked(
                    method=exchange.head.method,
                    target=exchange.target or exchange.head.target,
                    fields=tuple(self._fields),
                    body=asked,
                ),
                primary=primary,
                mirrored=mirrored,
                attempts=attempts,
            )
        )

    def _message(self) -> bytes:
        exchange = self._exchange
        target = exchange.target or exchange.head.target
        deadline = b"Ficus-Deadline: %d\r\n" % (self.mirror.deadline_seconds * 1000)
        parts = (
            *(exchange.head.method, b" ", target, b" HTTP/1.1\r\n"),
            *(lines(self._fields), told(exchange, deadline), MARK, b"\r\n", self._body),
        )
        return b"".join(parts)


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
