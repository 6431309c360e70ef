"""One request on its way: decided, admitted, sent, answered.

The plain way is a straight line without tasks: ``begin`` decides and asks an upstream, the
answer's bytes go to the client as they come. Everything else leaves that line at a named place:
``detours`` before the upstream is asked, ``second_thoughts`` when an answer or a failure comes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Final

from strangler_proxy.decision import SAFE_METHODS, Decision, decide
from strangler_proxy.errors import BadAnswer, Field, Refusal, TimedOut, UpstreamFailed
from strangler_proxy.exchange import detours, second_thoughts
from strangler_proxy.exchange.way import NOWHERE, Way
from strangler_proxy.metrics import Event
from strangler_proxy.upstream import Attempt
from strangler_proxy.wire import chunked
from strangler_proxy.wire.answers import answer, problem_answer, status_line
from strangler_proxy.wire.forwarding import forwarded_lines
from strangler_proxy.wire.heads import NOT_FORWARDED, RequestHead, ResponseHead, lines
from strangler_proxy.wire.tracing import continue_trace, request_id

if TYPE_CHECKING:
    from strangler_proxy.app import Proxy
    from strangler_proxy.exchange.caching import Caching
    from strangler_proxy.exchange.shaping import Shaping
    from strangler_proxy.member import Member
    from strangler_proxy.mirror.copying import Copying
    from strangler_proxy.server import ClientConnection
    from strangler_proxy.wire.tracing import Trace

AHEAD: Final = 65_536  # bytes of a body that wait for a connection before the client is paused
CLIENT_LEFT: Final = 499  # as nginx writes it: the client went away before its answer
EVENTS: Final = b"text/event-stream"


class Exchange:
    """The owner of an attempt, and the client's counterpart.

    Fields that most requests never change are class attributes until they do.
    """

    decision: Decision
    trace: Trace
    request_id: bytes
    way: Way = NOWHERE
    attempt: Attempt | None = None
    attempts = 0
    tried: tuple[Member, ...] = ()
    at = 0.0  # when it was decided first; unix seconds
    status = 0
    code = ""
    cached = ""  # what the cache said
    held = 0.0  # seconds
    bytes_in = 0
    bytes_out = 0
    expires = math.inf  # by proxy.time
    extra = b""  # lines for the answer's head, made before it came
    # Detours that this request has taken.
    caching: Caching | None = None
    shaping: Shaping | None = None
    copying: Copying | None = None
    steps: Iterator[detours.Step] | None = None
    upgrade = b""
    target: bytes | None = None  # for the upstream, when it is not the client's own
    fields: Collection[Field] | None = None  # likewise
    framed = False  # the body is whole and the fields say how long
    held_since = 0.0  # by proxy.time; 0: does not wait for an authority
    pause = 0.0  # seconds, the last one before it asked a fenced authority again
    moved = False  # has been sent to another authority once
    spent = 0  # attempts before it was sent to an authority anew; they do not count as retries
    fallen_back = False
    over = False
    answering = False  # the head of the answer is written
    kept = True  # all of the body is still here, for another attempt
    ended = False  # the request's body is whole
    keep_alive = True
    _chunked_out = False

    def __init__(self, proxy: Proxy, client: ClientConnection, head: RequestHead) -> None:
        self.proxy = proxy
        self.client = client
        self.head = head
        self.started = proxy.time()
        self.state = proxy.state
        self.body: list[bytes] = []

    # ------------------------------------------------------------ the straight line

    def begin(self, body: bytes, ended: bool) -> None:
        """The head is read; ``body`` is what has come of the body, ``ended`` if that is all."""
        if body:
            self.body.append(body)
            self.bytes_in = len(body)
        self.ended = ended
        proxy, headers = self.proxy, self.head.headers
        self.trace = trace = continue_trace(
            headers.get(b"traceparent"), headers.get(b"tracestate"), proxy.rng
        )
        self.request_id = request_id(headers.get(b"x-request-id"), trace)
        self.decide()

    def decide(self) -> None:
        """Find the way; refuse, or go it."""
        proxy, head, state = self.proxy, self.head, self.state
        now = proxy.wall()
        self.at = self.at or now
        self.decision = decision = decide(head, state.table, now, proxy.rng, state.identify)
        route = decision.route
        if route is not None:
            self.way = state.ways[route.index]
        if decision.refusal is not None:
            detours.refused(self, decision.refusal)
            return
        way = self.way
        if head.length > way.request_bytes:
            self.refuse(too_large(way))
            return
        self.expires = self.started + way.deadline
        proxy.timed.add(self)
        if way.limits:
            if state.shared is not None:
                self.later(detours.admit_shared(self, state.shared))
                return
            identity = decision.identity
            verdict = proxy.limiter.take(
                way.limits, identity.subject if identity else None, head.address, self.started
            )
            if verdict.refusal is not None:
                self.refuse(verdict.refusal)
                return
            self.extra = verdict.lines
        self.go()

    def redecide(self) -> bool:
        """Decide anew by the table in force, which may be another; False if it is refused now.

        Credentials are judged as of when the request came: it is not the client that was late.
        """
        proxy = self.proxy
        self.state = state = proxy.state
        self.decision = decision = decide(
            self.head, state.table, self.at, proxy.rng, state.identify
        )
        if decision.refusal is not None:
            self.refuse(decision.refusal)
            return False
        if decision.route is not None:
            self.way = state.ways[decision.route.index]
        return True

    def ends(self) -> float:
        """When its time is up, attempts and waiting together; by proxy.time."""
        return self.started + self.way.deadline

    def go(self) -> None:
        """Admitted: ask the upstream, unless there are steps before that."""
        if (
            self.way.plain
            and self.decision.mirror is None
            and not self.decision.held
            and b"upgrade" not in self.head.headers
        ):
            self.ask(self.decision.upstream)
        else:
            self.steps = iter(detours.STEPS)
            self.proceed()

    def proceed(self) -> None:
        """Take the steps that are left. One that must wait calls this again when it is done."""
        for step in self.steps or ():
            if not step(self):
                return
        self.ask(self.decision.upstream)

    def ask(self, upstream_name: str) -> None:
        """Make one attempt at an upstream."""
        upstream = self.state.upstreams[upstream_name]
        self.attempts += 1
        if self.attempts == 1:
            upstream.calls += 1
            if b"expect" in self.head.headers:
                self.client.ask_for_body()
        attempt = self.attempt = Attempt(
            self, upstream, no_body=self.head.method == b"HEAD", avoid=self.tried
        )
        attempt.start()

    def message(self) -> tuple[bytes, bool]:
        """What an attempt sends: the head for the upstream, and the body as far as it is here."""
        head = self.head
        if self.fields is None and self.target is None:
            parts = [head.relayed(), self.told()]
        else:
            fields = head.passing(NOT_FORWARDED) if self.fields is None else lines(self.fields)
            target = self.target or head.target
            parts = [head.method, b" ", target, b" HTTP/1.1\r\n", fields, self.told()]
        if self.upgrade:
            parts.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % self.upgrade)
        if head.chunked and not self.framed:
            parts.append(b"Transfer-Encoding: chunked\r\n\r\n")
            parts += [chunked.encode(piece) for piece in self.body if piece]
            if self.ended:
                parts.append(chunked.LAST)
        else:
            parts.append(b"\r\n")
            parts += self.body
        if not self.ended:
            if self.bytes_in > self.way.kept:
                self.kept = False
                self.body = []
            self.client.resume()
        return b"".join(parts), self.ended

    def told(self, deadline: bytes = b"") -> bytes:
        """What we tell the upstream: the client, trace, request id, deadline, identity.

        ``deadline``: its line, where it is not what is left of this request's time.
        """
        trace, peer, identity = self.trace, self.client.peer, self.decision.identity
        client = peer.lines if not peer.trusted else self._forwarded()
        if not deadline:
            plain = self.attempts < 2 and not self.held
            deadline = self.way.deadline_line if plain else self._deadline()
        known = identity.lines if identity is not None else b""
        # fmt: off
        told = b"".join((
            client, deadline, b"traceparent: ", trace.traceparent,
            b"\r\nX-Request-Id: ", self.request_id, b"\r\n", known,
        ))
        # fmt: on
        if trace.tracestate is not None:
            told += b"tracestate: %b\r\n" % trace.tracestate
        if not self.head.host:
            told += b"Host: localhost\r\n"  # HTTP/1.0; the upstream speaks HTTP/1.1
        return told

    def _deadline(self) -> bytes:
        """What is left of the time, in milliseconds."""
        left = max(0.0, self.expires - self.proxy.time()) if self.expires != math.inf else 0.0
        return b"Ficus-Deadline: %d\r\n" % (left * 1000)

    def _forwarded(self) -> bytes:
        """The client as a trusted proxy saw it, and that proxy."""
        chain = self.head.headers.get(b"x-forwarded-for", b"")
        own = self.client.peer.address.encode()
        return forwarded_lines(chain + b", " + own if chain else own, secure=self.head.secure)

    def on_answer(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        """The upstream's head, and what came with it."""
        way = self.way
        if head.status in way.second_thoughts and second_thoughts.on_answer(self, head):
            return
        if self.steps is None and head.status != 101:
            self.reply(head, data, ended)
        else:
            detours.on_answer(self, head, data, ended)

    def reply(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        """Pass the answer on."""
        if head.length > self.way.response_bytes or len(data) > self.way.response_bytes:
            self.asked.cancel(failed=None)
            second_thoughts.give_up(self, BadAnswer("an answer over the route's limit"))
            return
        self.answering = True
        self.status = head.status
        self.bytes_out = len(data)
        out = [head.relayed(), self.extra]
        if b"x-request-id" not in head.headers:
            out += (b"X-Request-Id: ", self.request_id, b"\r\n")
        out.append(self._framing(head, data, ended))
        if data:
            out.append(chunked.encode(data) if self._chunked_out else data)
        if self.proxy.cache is not None and self.head.method not in SAFE_METHODS:
            self.proxy.cache.invalidate(self.head, head.status, head.headers, self.proxy.wall())
        if ended:
            if self._chunked_out:
                out.append(chunked.LAST)
            self.client.write(b"".join(out))
            self.finish()
            return
        self.client.write(b"".join(out))
        if head.headers.get(b"content-type", b"").startswith(EVENTS):
            self.expires = math.inf

    def _framing(self, head: ResponseHead, data: bytes, ended: bool) -> bytes:
        """The last lines of the answer's head: how long it is, and whether the client may go on."""
        asked = self.head
        plain = head.length >= 0 and self.ended and asked.keep_alive and asked.minor
        if plain and self.keep_alive and not self.proxy.draining:
            return b"\r\n"
        framing = b""
        if head.length < 0 and asked.method != b"HEAD" and head.status not in (204, 304):
            if ended:
                framing = b"Content-Length: %d\r\n" % len(data)
            elif asked.minor:
                self._chunked_out = True
                framing = b"Transfer-Encoding: chunked\r\n"
            else:
                self.keep_alive = False
        if not self.goes_on():
            return framing + b"Connection: close\r\n\r\n"
        if not asked.minor:
            framing += b"Connection: keep-alive\r\n"
        return framing + b"\r\n"

    def goes_on(self) -> bool:
        """Whether the client may send another request on this connection; settles it."""
        if self.keep_alive and (not self.head.keep_alive or self.proxy.draining):
            self.keep_alive = False
        if not self.ended:
            self.keep_alive = False
        return self.keep_alive

    def on_data(self, data: bytes, ended: bool) -> None:
        """More of the answer's body."""
        if self.steps is not None and detours.on_data(self, data, ended):
            return
        self.pass_on(data, ended)

    def pass_on(self, data: bytes, ended: bool) -> None:
        """To the client."""
        if data:
            self.bytes_out += len(data)
            if self.bytes_out > self.way.response_bytes:
                self.cut("response_too_large")
                return
            if self._chunked_out:
                data = chunked.encode(data)
        if self.expires != math.inf:  # the deadline was for the head; now it is for each step
            self.expires = self.proxy.time() + self.way.deadline
        if ended and self._chunked_out:
            data += chunked.LAST
        if data:
            self.client.write(data)
        if ended:
            self.finish()

    def finish(self) -> None:
        """The answer is out: count, log, and let the client go on."""
        if not self.over:
            now = self.proxy.time()
            self._end(now)
            self.client.done(self.keep_alive, now)

    def _end(self, now: float) -> None:
        """Nothing more happens to this request."""
        self.over = True
        self.proxy.timed.discard(self)
        if self.steps is not None:
            detours.on_end(self)
            self.caching = self.shaping = self.copying = None
        self.proxy.note(self, now)
        self.attempt = None  # or they and this would wait for the garbage collector

    # ------------------------------------------------------------ answers of our own

    def refuse(self, refusal: Refusal) -> None:
        """Answer with a problem."""
        self.code = refusal.code
        self.proxy.metrics.count(Event.REFUSED, refusal.code)
        more = self._own_lines()
        request_id, head_only = self.request_id.decode(), self.head.method == b"HEAD"
        self._answer_at_once(
            refusal.status, problem_answer(refusal, request_id, more=more, head_only=head_only)
        )

    def respond(self, status: int, fields: tuple[Field, ...], body: bytes) -> None:
        """Answer from here."""
        head_only = self.head.method == b"HEAD"
        self.bytes_out = 0 if head_only else len(body)
        self._answer_at_once(
            status, answer(status, fields, body, more=self._own_lines(), head_only=head_only)
        )

    def respond_stored(self, status: int, fields: bytes, body: bytes) -> None:
        """Answer with fields that are lines already and say how long the body is."""
        self.bytes_out = len(body)
        head = status_line(status) + fields + self._own_lines() + b"\r\n"
        self._answer_at_once(status, head + body)

    def _answer_at_once(self, status: int, data: bytes) -> None:
        self.status = status
        self.answering = True
        self.client.write(data)
        self.finish()

    def _own_lines(self) -> bytes:
        """What every answer of ours says."""
        own = b"%bX-Request-Id: %b\r\n" % (self.extra, self.request_id)
        if not self.goes_on():
            return own + b"Connection: close\r\n"
        return own if self.head.minor else own + b"Connection: keep-alive\r\n"

    # ------------------------------------------------------------ failing

    def on_failed(self, error: UpstreamFailed) -> None:
        """The attempt failed."""
        if self.over:
            return
        if self.answering:
            self.cut(error.code)
        else:
            second_thoughts.on_failed(self, error)

    def cut(self, code: str) -> None:
        """The answer cannot be completed: the client must see that it is not whole."""
        self.code = code
        if self.attempt is not None:
            self.attempt.cancel(failed=True)
        if not self.over:
            self._end(self.proxy.time())
        self.client.abort()

    def on_expired(self) -> None:
        """The deadline has passed."""
        self.expires = math.inf
        if self.over:
            return
        if self.held_since:
            self.proxy.holds.expired(self)
            return
        if self.attempt is not None:
            self.attempt.cancel(failed=True)
        if self.answering:
            self.cut(TimedOut.code)
        else:
            error = TimedOut(f"no answer within {self.way.deadline:g} s")
            second_thoughts.give_up(self, error)

    # ------------------------------------------------------------ what the client does

    def on_body(self, data: bytes, ended: bool) -> None:
        """More of the request's body (or of what flows through the tunnel)."""
        if self.over:
            return
        attempt = self.attempt
        self.bytes_in += len(data)
        if self.status == 101 and attempt is not None:
            attempt.send_more(data, ended)
            return
        self.ended = ended
        if self.bytes_in > self.way.request_bytes:
            self.on_broken_body(too_large(self.way))
            return
        if attempt is not None and attempt.connection is not None and not attempt.over:
            self._send_more(attempt, data, ended)
            return
        self.body.append(data)
        if self.steps is not None and detours.on_body(self):
            return
        if self.bytes_in > max(AHEAD, self.way.kept):
            self.client.pause()

    def _send_more(self, attempt: Attempt, data: bytes, ended: bool) -> None:
        if self.kept:
            self.body.append(data)
            if self.bytes_in > self.way.kept:
                self.kept = False
                self.body = []
        if self.head.chunked:
            data = (chunked.encode(data) if data else b"") + (chunked.LAST if ended else b"")
        attempt.send_more(data, ended)

    def on_broken_body(self, refusal: Refusal) -> None:
        """The body cannot be read to its end."""
        if self.over:
            self.client.close()
            return
        if self.attempt is not None:
            self.attempt.cancel()
        if self.answering:
            self.cut(refusal.code)
        else:
            self.keep_alive = False
            self.refuse(refusal)

    def on_client_lost(self) -> None:
        """The client went away."""
        if self.over:
            return
        if self.attempt is not None:
            self.attempt.cancel()
        if self.status != 101:
            self.status = self.status or CLIENT_LEFT
            self.code = self.code or "client_left"
        self._end(self.proxy.time())

    def on_client_paused(self) -> None:
        """It does not read as fast as the upstream sends."""
        connection = self._connection()
        if connection is not None:
            connection.pause()

    def on_client_resumed(self) -> None:
        connection = self._connection()
        if connection is not None:
            connection.resume()

    def _connection(self) -> Any:
        attempt = self.attempt
        return attempt.connection if attempt is not None and not attempt.over else None

    def on_upstream_paused(self) -> None:
        """It does not read as fast as the client sends."""
        self.client.pause()

    def on_upstream_resumed(self) -> None:
        self.client.resume()

    @property
    def asked(self) -> Attempt:
        """The attempt under way, or made last; there must have been one."""
        assert self.attempt is not None  # noqa: S101 - whoever asks has an answer or a failure
        return self.attempt

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on in a task: something must be waited for."""
        task = asyncio.ensure_future(work)
        self.proxy.tasks.add(task)
        task.add_done_callback(self.proxy.tasks.discard)


def too_large(way: Way) -> Refusal:
    """413."""
    detail = f"At most {way.request_bytes} bytes are taken here."
    return Refusal(413, "request_too_large", detail)
