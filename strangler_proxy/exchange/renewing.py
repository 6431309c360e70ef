"""A newer answer for the cache, fetched while the client has the stale one already."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from strangler_proxy.attempt import Attempt
from strangler_proxy.cache import REPLACED, Cache, Plan, Recording
from strangler_proxy.errors import Field, TimedOut, UpstreamFailed
from strangler_proxy.exchange.outgoing import told
from strangler_proxy.exchange.shaping_answers import AnswerShaping
from strangler_proxy.transform.rules import asking_for_plain_json
from strangler_proxy.wire.heads import NOT_FORWARDED, NOT_RETURNED, ResponseHead, lines

if TYPE_CHECKING:
    from strangler_proxy.exchange.exchange import Exchange


class Renewal:
    """Fetches a newer answer while the client has the stale one already; owner of an attempt."""

    def __init__(self, exchange: Exchange, cache: Cache, plan: Plan) -> None:
        self.proxy = exchange.proxy
        self.expires = self.proxy.time() + exchange.way.deadline
        self._cache = cache
        self._plan = plan
        self._recording: Recording | None = None
        self._message = _renewing(exchange, plan)
        self._shaping = self._shaped(exchange)
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
        if self._shaping is not None:
            self._shaping.on_answer(head, data, ended)
        else:
            self._keep(head, data, ended)

    def on_data(self, data: bytes, ended: bool) -> None:
        if self._shaping is None or not self._shaping.on_data(data, ended):
            self._write(data, ended)

    def _shaped(self, exchange: Exchange) -> AnswerShaping | None:
        """What is stored is what clients get: the answer after the route's rules."""
        rules, metrics = exchange.way.response_rules, exchange.proxy.metrics
        if rules is None:
            return None
        return AnswerShaping(rules, b"GET", self._keep, metrics, exchange.way.name)

    def _keep(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        """The answer as clients may get it."""
        fields = head.passing_pairs(NOT_RETURNED)
        now = self.proxy.wall()
        outcome = self._cache.on_response(self._plan, head.status, head.headers, fields, now)
        self._recording = outcome.recording
        if outcome.recording is None and not ended and self._attempt is not None:
            self._attempt.cancel()
            ended = True
        self._write(data, ended)

    def _write(self, data: bytes, ended: bool) -> None:
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
        self._attempt = self._shaping = None  # or they would wait for the garbage collector
        now = self.proxy.wall()
        if self._recording is not None:
            self._recording.abort(now)
        self.proxy.timed.discard(self)
        self._cache.finish(self._plan, now)


def _renewing(exchange: Exchange, plan: Plan) -> bytes:
    """The request for a newer answer, as the route's rules make it."""
    head, rules, answers = exchange.head, exchange.way.request_rules, exchange.way.response_rules
    target, kept = head.target, head.passing_pairs(NOT_FORWARDED | REPLACED)
    fields: Collection[Field] = (*kept, *plan.conditions)
    if rules is not None:
        target, fields = rules.head(target, fields)
    if answers is not None and answers.body is not None:
        fields = asking_for_plain_json(fields)
    return b"".join((b"GET ", target, b" HTTP/1.1\r\n", lines(fields), told(exchange), b"\r\n"))
