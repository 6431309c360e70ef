"""Carries out what the cache says: for one exchange, and in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING

from strangler_proxy.cache import REPLACED, Answer, Cache, Kind, Plan, Recording, Rules, Then
from strangler_proxy.errors import Field, TimedOut, UpstreamFailed
from strangler_proxy.metrics import Event
from strangler_proxy.upstream import Attempt
from strangler_proxy.wire.heads import NOT_FORWARDED, NOT_RETURNED, ResponseHead, lines

if TYPE_CHECKING:
    from strangler_proxy.exchange.exchange import Exchange


class Caching:
    """One exchange and the cache of its route."""

    __slots__ = ("_cache", "_exchange", "_patience", "_recording", "_rules", "plan")

    def __init__(self, exchange: Exchange, cache: Cache, rules: Rules) -> None:
        self._exchange = exchange
        self._cache = cache
        self._rules = rules
        self._recording: Recording | None = None
        self._patience: asyncio.TimerHandle | None = None
        self.plan: Plan

    def begin(self) -> bool:
        """Serve what is stored; or True: ask the upstream; or wait for another's same request."""
        exchange = self._exchange
        now = exchange.proxy.wall()
        plan = self.plan = self._cache.plan(
            self._rules, exchange.head, now, exchange.decision.upstream
        )
        if plan.kind is Kind.SERVE and plan.answer is not None:
            if plan.background and exchange.way.response_rules is None:
                Renewal(exchange, self._cache, plan).start()
            self._serve(plan.answer, "stale" if plan.background else "hit")
            return False
        if plan.kind is Kind.REFUSE and plan.refusal is not None:
            self._said("refused")
            exchange.refuse(plan.refusal)
            return False
        if not self._cache.join(plan, self._woken, now):
            patience = plan.rules.policy.collapse_seconds
            self._patience = exchange.proxy.loop.call_later(patience, self._impatient)
            return False
        self._said("bypass" if plan.kind is Kind.BYPASS else "miss")
        if plan.kind is Kind.REVALIDATE:
            kept = exchange.head.passing_pairs(NOT_FORWARDED | REPLACED)
            exchange.fields = [*kept, *plan.conditions]
        return True

    def _woken(self) -> None:
        """What we waited for has ended: plan again, but not inside what ended it."""
        self._calm()
        self._exchange.proxy.loop.call_soon(self._again)

    def _again(self) -> None:
        if not self._exchange.over and self.begin():
            self._exchange.proceed()

    def _impatient(self) -> None:
        self._patience = None
        self._cache.leave(self.plan)
        if not self._exchange.over:
            self._said("miss")
            self._exchange.proceed()

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def on_answer(self, head: ResponseHead, data: bytes, ended: bool) -> bool:
        """Whether this answer goes to the client."""
        exchange = self._exchange
        now = exchange.proxy.wall()
        fields = head.passing_pairs(NOT_RETURNED)
        outcome = self._cache.on_response(self.plan, head.status, head.headers, fields, now)
        if outcome.then is Then.SERVE and outcome.answer is not None:
            exchange.asked.cancel()
            self._serve(outcome.answer, "revalidated" if head.status == 304 else "stale")
            return False
        if outcome.then is Then.REPEAT:
            exchange.asked.cancel()
            exchange.fields = None
            if exchange.shaping is not None:
                exchange.shaping.on_request()
            exchange.ask(exchange.decision.upstream)
            return False
        exchange.extra += lines(outcome.status)
        if exchange.fallen_back and outcome.recording is not None:
            outcome.recording.abort(now)  # it stands in; it is not what the route's upstream says
        else:
            self._recording = outcome.recording
        self.on_data(data, ended)
        return True

    def on_data(self, data: bytes, ended: bool) -> None:
        """More of an answer that is being kept."""
        recording = self._recording
        if recording is None:
            return
        now = self._exchange.proxy.wall()
        if data:
            recording.write(data, now)
        if ended:
            self._recording = None
            recording.commit(now)

    def on_failure(self) -> bool:
        """There is no answer. Whether a stored one could stand in."""
        answer = self._cache.on_failure(self.plan, self._exchange.proxy.wall())
        if answer is not None:
            self._serve(answer, "stale")
        return answer is not None

    def last_resort(self) -> bool:
        """Whether anything at all is stored, and has been sent."""
        answer = self._cache.last_resort(self.plan, self._exchange.proxy.wall())
        if answer is not None:
            self._serve(answer, "stale")
        return answer is not None

    def on_end(self) -> None:
        """Always, once."""
        self._calm()
        now = self._exchange.proxy.wall()
        if self._recording is not None:
            self._recording.abort(now)
            self._recording = None
        self._cache.finish(self.plan, now)

    def _serve(self, answer: Answer, said: str) -> None:
        self._said(said)
        self._exchange.respond_stored(answer.status, answer.lines(), answer.body)

    def _said(self, result: str) -> None:
        exchange = self._exchange
        exchange.cached = result
        exchange.proxy.metrics.count(Event.CACHED, exchange.way.name, result)


class Renewal:
    """Fetches a newer answer while the client has the stale one already; owner of an attempt."""

    def __init__(self, exchange: Exchange, cache: Cache, plan: Plan) -> None:
        self.proxy = exchange.proxy
        self.expires = self.proxy.time() + exchange.way.deadline
        self._cache = cache
        self._plan = plan
        self._recording: Recording | None = None
        self._message = _renewing(exchange, plan)
        upstream = exchange.state.upstreams[exchange.decision.upstream]
        self._attempt: Attempt | None = Attempt(self, upstream, no_body=False)

    def start(self) -> None:
        """Soon: the client's answer goes first."""
        self.proxy.timed.add(self)
        if self._attempt is not None:
            self.proxy.loop.call_soon(self._attempt.start)

    def message(self) -> tuple[bytes, bool]:
        return self._message, True

    def on_answer(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        fields = head.passing_pairs(NOT_RETURNED)
        now = self.proxy.wall()
        outcome = self._cache.on_response(self._plan, head.status, head.headers, fields, now)
        self._recording = outcome.recording
        if outcome.recording is None and not ended and self._attempt is not None:
            self._attempt.cancel()
            ended = True
        self.on_data(data, ended)

    def on_data(self, data: bytes, ended: bool) -> None:
        now = self.proxy.wall()
        if self._recording is not None:
            if data:
                self._recording.write(data, now)
            if ended:
                self._recording.commit(now)
                self._recording = None
        if ended:
            self._end()

    def on_failed(self, error: UpstreamFailed) -> None:
        self._cache.on_failure(self._plan, self.proxy.wall())
        self._end()

    def on_expired(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel(failed=True)
            self.on_failed(TimedOut("no newer answer in time"))

    def on_upstream_paused(self) -> None:
        """The request is one small head."""

    def on_upstream_resumed(self) -> None:
        """As above."""

    def _end(self) -> None:
        self._attempt = None  # or the two would wait for the garbage collector
        now = self.proxy.wall()
        if self._recording is not None:
            self._recording.abort(now)
        self.proxy.timed.discard(self)
        self._cache.finish(self._plan, now)


def _renewing(exchange: Exchange, plan: Plan) -> bytes:
    """The request for a newer answer, as the route's rules make it."""
    head, rules = exchange.head, exchange.way.request_rules
    target, kept = head.target, head.passing_pairs(NOT_FORWARDED | REPLACED)
    fields: Collection[Field] = (*kept, *plan.conditions)
    if rules is not None:
        target, fields = rules.head(target, fields)
    return b"".join((b"GET ", target, b" HTTP/1.1\r\n", lines(fields), exchange.told(), b"\r\n"))
