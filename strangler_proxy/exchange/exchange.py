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

from strangler_proxy.attempt import Attempt
from strangler_proxy.decision import Decision, decide
from strangler_proxy.errors import Field, TimedOut, UpstreamFailed
from strangler_proxy.exchange import detours, outgoing, replying, second_thoughts
from strangler_proxy.exchange.own_answers import refuse
from strangler_proxy.exchange.request_body import too_large
from strangler_proxy.exchange.way import NOWHERE, Way
from strangler_proxy.wire.heads import RequestHead, ResponseHead
from strangler_proxy.wire.tracing import continue_trace, request_id

if TYPE_CHECKING:
    from strangler_proxy.app import Proxy
    from strangler_proxy.config import Mirror
    from strangler_proxy.exchange.caching import Caching
    from strangler_proxy.exchange.shaping import Shaping
    from strangler_proxy.member import Member
    from strangler_proxy.mirror.copying import Copying
    from strangler_proxy.server import ClientConnection
    from strangler_proxy.wire.tracing import Trace

CLIENT_LEFT: Final = 499  # as nginx writes it: the client went away before its answer


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
    chunked_out = False

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
        parent = headers.get(b"traceparent")
        if parent is None:
            self.trace = trace = proxy.beginnings.trace()
        else:
            self.trace = trace = continue_trace(parent, headers.get(b"tracestate"), proxy.rng)
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
            refuse(self, too_large(way))
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
                refuse(self, verdict.refusal)
                return
            self.extra = verdict.lines
        self.go()

    def ends(self) -> float:
        """When its time is up, attempts and waiting together; by proxy.time."""
        return self.started + self.way.deadline

    def go(self) -> None:
        """Admitted: ask the upstream, unless there are steps before that."""
        mirror = self.decision.mirror
        if (
            self.way.plain
            and not self.decision.held
            and b"upgrade" not in self.head.headers
            and (mirror is None or not self.has_place(mirror))
        ):
            self.ask(self.decision.upstream)
        else:
            self.steps = iter(detours.STEPS)
            self.proceed()

    def has_place(self, mirror: Mirror) -> bool:
        """Whether a copy may be sent to a mirror, once there is an answer."""
        return self.proxy.places.has(mirror, self.state.upstreams[mirror.upstream])

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
        """What an attempt sends, and whether that is all."""
        return outgoing.message(self)

    def on_answer(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        """The upstream's head, and what came with it."""
        way = self.way
        if head.status in way.second_thoughts and second_thoughts.on_answer(self, head):
            return
        if self.steps is None and head.status != 101:
            replying.reply(self, head, data, ended)
        else:
            detours.on_answer(self, head, data, ended)

    def on_data(self, data: bytes, ended: bool) -> None:
        """More of the answer's body."""
        if self.steps is not None and detours.on_data(self, data, ended):
            return
        replying.pass_on(self, data, ended)

    def goes_on(self) -> bool:
        """Whether the client may send another request on this connection; settles it."""
        if self.keep_alive and (not self.head.keep_alive or self.proxy.draining):
            self.keep_alive = False
        if not self.ended:
            self.keep_alive = False
        return self.keep_alive

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

    def on_client_slow(self, slow: bool) -> None:
        """It does not read as fast as the upstream sends, or does again."""
        attempt = self.attempt
        connection = attempt.connection if attempt is not None and not attempt.over else None
        if connection is None:
            return
        if slow:
            connection.pause()
        else:
            connection.resume()

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
