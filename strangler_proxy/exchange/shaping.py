"""Carries out a route's transformation rules on one exchange; bodies that change are collected.

``shaping_answers`` does the way back.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from strangler_proxy.exchange.own_answers import refuse
from strangler_proxy.exchange.replying import deliver
from strangler_proxy.exchange.shaping_answers import AnswerShaping
from strangler_proxy.transform.bodies import BodyRules
from strangler_proxy.transform.rules import (
    BODY_BYTES,
    CODED,
    TOO_LARGE,
    UNREADABLE,
    Scope,
    asking_for_plain_json,
)
from strangler_proxy.wire.heads import NOT_FORWARDED

if TYPE_CHECKING:
    from strangler_proxy.exchange.exchange import Exchange


class Shaping:
    """What is changed on the way in and out."""

    __slots__ = (*("_came", "_exchange", "_request_body", "_waits", "answers"),)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._waits = False  # for the whole of the request's body
        self._came: list[bytes] | None = None  # that body, if it was changed
        way = exchange.way
        self.answers = _shaping_of_answers(exchange)
        self._request_body = way.request_rules.body if way.request_rules else None

    # ------------------------------------------------------------ the request

    def on_request(self) -> bool:
        """Change the request. False: wait for its body, or it is refused."""
        exchange = self._exchange
        way, head = exchange.way, exchange.head
        fields = exchange.fields
        if fields is None:
            fields = head.passing_pairs(NOT_FORWARDED)
        rules = way.request_rules
        if rules is not None:
            exchange.target, fields = rules.head(head.target, fields)
        if way.response_rules is not None and way.response_rules.body is not None:
            fields = asking_for_plain_json(fields)
        exchange.fields = fields
        body = self._request_body
        if body is None or not (head.chunked or head.length > 0):
            return True
        scope = body.scope(head.headers)
        if scope is Scope.CODED:
            refuse(exchange, CODED)
            return False
        if scope is Scope.JSON:
            if head.length > BODY_BYTES:
                refuse(exchange, TOO_LARGE)
                return False
            if not exchange.ended:
                self._wait()
                return False
            return self._change_request(body)
        return True

    def _wait(self) -> None:
        """For the body; who holds it back, by its own choice or by ours, may send it now."""
        exchange = self._exchange
        self._waits = True
        if b"expect" in exchange.head.headers:
            exchange.client.ask_for_body()
        exchange.client.resume()

    def on_body(self) -> bool:
        """More of the request's body. True: it is being waited for."""
        if not self._waits:
            return False
        exchange = self._exchange
        if exchange.bytes_in > BODY_BYTES:
            exchange.keep_alive = False
            refuse(exchange, TOO_LARGE)
        elif exchange.ended:
            self._waits = False
            if self._request_body is None or self._change_request(self._request_body):
                exchange.proceed()
        return True

    def _change_request(self, rules: BodyRules) -> bool:
        exchange = self._exchange
        content = b"".join(exchange.body)
        changed = rules.change(content)
        if changed is None:
            refuse(exchange, UNREADABLE)
            return False
        if changed is not content:
            self._came = exchange.body
            exchange.body = [changed]
            exchange.fields = rules.frame(exchange.fields or (), changed)
            exchange.framed = True
        return True

    def undo(self) -> None:
        """The body is again as it came."""
        if self._came is not None:
            self._exchange.body = self._came
            self._exchange.framed = False


def _shaping_of_answers(exchange: Exchange) -> AnswerShaping | None:
    """None where the route has no rules for them."""
    way = exchange.way
    if way.response_rules is None:
        return None
    given = partial(deliver, exchange)
    metrics = exchange.proxy.metrics
    return AnswerShaping(way.response_rules, exchange.head.method, given, metrics, way.name)
