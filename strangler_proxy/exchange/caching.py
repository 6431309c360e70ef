"""Carries out what the cache says, for one exchange."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from strangler_proxy.cache import REPLACED, Answer, Cache, Kind, Plan, Recording, Rules, Then
from strangler_proxy.exchange.own_answers import refuse, respond_stored
from strangler_proxy.exchange.renewing import Renewal
from strangler_proxy.metrics import Event
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
            if plan.background:
                Renewal(exchange, self._cache, plan).start()
            self._serve(plan.answer, "stale" if plan.background else "hit")
            return False
        if plan.kind is Kind.REFUSE and plan.refusal is not None:
            self._said("refused")
            refuse(exchange, plan.refusal)
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
        respond_stored(self._exchange, answer.status, answer.lines(), answer.body)

    def _said(self, result: str) -> None:
        exchange = self._exchange
        exchange.cached = result
        exchange.proxy.metrics.count(Event.CACHED, exchange.way.name, result)
