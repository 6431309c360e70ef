"""Changes an answer by its route's rules: the head at once, the body when all of it is here."""

from __future__ import annotations

from collections.abc import Callable

from strangler_proxy.metrics import Event, Metrics
from strangler_proxy.transform.bodies import BodyRules
from strangler_proxy.transform.rules import BODY_BYTES, ResponseRules, Scope
from strangler_proxy.wire.heads import NOT_RETURNED, ResponseHead

Deliver = Callable[[ResponseHead, bytes, bool], None]


class AnswerShaping:
    """One answer. ``deliver`` gets it changed; more of a body that is not collected goes its own
    way. An answer that the rules were to change and could not passes as it came, and is counted.
    """

    __slots__ = (
        *("_collected", "_deliver", "_head", "_method", "_metrics", "_route", "_rules", "_size"),
    )

    def __init__(
        self, rules: ResponseRules, method: bytes, deliver: Deliver, metrics: Metrics, route: str
    ) -> None:
        self._rules = rules
        self._method = method
        self._deliver = deliver
        self._metrics = metrics
        self._route = route
        self._head: ResponseHead | None = None  # of an answer whose body is being collected
        self._collected: list[bytes] = []
        self._size = 0

    def on_answer(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        """Change the head, and the body too if it is to change."""
        changed = head.with_fields(self._rules.head(head.passing_pairs(NOT_RETURNED)))
        body = self._rules.body
        if body is None or not self._is_meant(body, head):
            self._deliver(changed, data, ended)
        elif self._has_none(head):
            self._deliver(changed.with_fields(body.frame(changed.pairs, None)), data, ended)
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
            self._count("too_large")
            self._let_go(head, b"".join(self._collected), ended)
        elif ended and self._rules.body is not None:
            self._change(head, self._rules.body)
        return True

    def _has_none(self, head: ResponseHead) -> bool:
        """Whether the answer is one without a body."""
        return self._method == b"HEAD" or head.status in (204, 304)

    def _is_meant(self, rules: BodyRules, head: ResponseHead) -> bool:
        """Whether the rules are for this body, as far as the head says."""
        if head.status == 304:  # names the validators of what it stands for, without its type
            return True
        scope = rules.scope(head.headers)
        if scope is Scope.CODED:
            self._count("coded", unless=self._has_none(head))
        elif scope is Scope.JSON and head.length > BODY_BYTES:
            self._count("too_large", unless=self._has_none(head))
        return scope is Scope.JSON and head.length <= BODY_BYTES

    def _change(self, head: ResponseHead, rules: BodyRules) -> None:
        content = b"".join(self._collected)
        changed = rules.change(content)
        if changed is None:
            self._count("unreadable")
        elif changed is not content:
            head = head.with_fields(rules.frame(head.pairs, changed))
            content = changed
        self._let_go(head, content, True)

    def _let_go(self, head: ResponseHead, content: bytes, ended: bool) -> None:
        self._head = None
        self._collected = []
        self._deliver(head, content, ended)

    def _count(self, reason: str, *, unless: bool = False) -> None:
        if not unless:
            self._metrics.count(Event.UNSHAPED, self._route, reason)
