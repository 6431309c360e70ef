"""Carries out a route's transformation rules on one exchange; bodies that change are collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strangler_proxy.exchange import detours
from strangler_proxy.transform.bodies import BodyRules
from strangler_proxy.transform.rules import (
    BODY_BYTES,
    CODED,
    TOO_LARGE,
    UNREADABLE,
    Scope,
    asking_for_plain_json,
)
from strangler_proxy.wire.heads import NOT_FORWARDED, NOT_RETURNED, ResponseHead

if TYPE_CHECKING:
    from strangler_proxy.exchange.exchange import Exchange


class Shaping:
    """What is changed on the way in and out."""

    __slots__ = (
        *("_answer_body", "_answer_rules", "_came", "_collected", "_exchange", "_head"),
        *("_request_body", "_size", "_waits", "changes_answers"),
    )

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._waits = False  # for the whole of the request's body
        self._came: list[bytes] | None = None  # that body, if it was changed
        self._head: ResponseHead | None = None  # of an answer whose body is being collected
        self._collected: list[bytes] = []
        self._size = 0
        way = exchange.way
        self._answer_rules = way.response_rules
        self._answer_body = way.response_rules.body if way.response_rules else None
        self._request_body = way.request_rules.body if way.request_rules else None
        self.changes_answers = way.response_rules is not None

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
        if self._answer_body is not None:
            fields = asking_for_plain_json(fields)
        exchange.fields = fields
        body = self._request_body
        if body is None or not (head.chunked or head.length > 0):
            return True
        scope = body.scope(head.headers)
        if scope is Scope.CODED:
            exchange.refuse(CODED)
            return False
        if scope is Scope.JSON:
            if head.length > BODY_BYTES:
                exchange.refuse(TOO_LARGE)
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
            exchange.refuse(TOO_LARGE)
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
            exchange.refuse(UNREADABLE)
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

    # ------------------------------------------------------------ the answer

    def on_answer(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        """Change the answer; its body, if it is to change, when all of it is here."""
        exchange = self._exchange
        fields = head.passing_pairs(NOT_RETURNED)
        body = self._answer_body
        changed = head.with_fields(
            self._answer_rules.head(fields) if self._answer_rules else fields
        )
        # A 304 names the validators of what it stands for, mostly without its type.
        meant = head.status == 304 or (body is not None and body.scope(head.headers) is Scope.JSON)
        if body is None or not meant or head.length > BODY_BYTES:
            detours.after_shaping(exchange, changed, data, ended)
        elif exchange.head.method == b"HEAD" or head.status in (204, 304):
            bare = changed.with_fields(body.frame(changed.pairs, None))
            detours.after_shaping(exchange, bare, data, ended)
        else:
            self._head = changed
            self._collected, self._size = [], 0  # there may be a part of an earlier attempt's
            self.on_data(data, ended)

    def on_data(self, data: bytes, ended: bool) -> bool:
        """More of the answer's body. True: it is being collected."""
        head = self._head
        if head is None:
            return False
        self._collected.append(data)
        self._size += len(data)
        if self._size > BODY_BYTES:
            self._let_go(head, b"".join(self._collected), ended)
        elif ended and self._answer_body is not None:
            self._change_answer(head, self._answer_body)
        return True

    def _change_answer(self, head: ResponseHead, rules: BodyRules) -> None:
        content = b"".join(self._collected)
        changed = rules.change(content)
        if changed is not None and changed is not content:
            head = head.with_fields(rules.frame(head.pairs, changed))
            content = changed
        self._let_go(head, content, True)

    def _let_go(self, head: ResponseHead, content: bytes, ended: bool) -> None:
        self._head = None
        self._collected = []
        detours.after_shaping(self._exchange, head, content, ended)
