"""What an exchange needs of its route, read once from the document instead of at each request."""

from __future__ import annotations

from strangler_proxy import config
from strangler_proxy.cache import Rules, rules_for
from strangler_proxy.transform.rules import compile_request_rules, compile_response_rules

FENCED, MOVED = 503, 421


class Way:
    """A route as the data path uses it. ``plain``: no step of it leaves the straight line.

    Raises TableRefused for rules that cannot be used.
    """

    __slots__ = (
        *("answer", "attempts", "cache", "capability", "deadline", "deadline_line", "fallback"),
        *("fallback_statuses", "hold", "kept", "limits", "name", "plain", "request_bytes"),
        *("request_rules", "response_bytes", "response_rules", "retried", "second_thoughts"),
        *("upgrade",),
    )

    def __init__(self, index: int, route: config.Route, document: config.Document) -> None:
        path = f"$.routes[{index}]"
        self.name = route.name
        self.deadline = route.deadline_seconds
        self.deadline_line = b"Ficus-Deadline: %d\r\n" % (route.deadline_seconds * 1000)
        self.attempts = route.retry.attempts
        self.retried = frozenset(route.retry.statuses)
        self.request_bytes = route.request_bytes
        self.response_bytes = route.response_bytes
        self.limits = route.rate_limits
        self.cache: Rules | None = rules_for(route)
        self.answer = route.answer
        self.fallback = route.fallback
        self.fallback_statuses = frozenset(route.fallback.statuses if route.fallback else ())
        self.upgrade = frozenset(protocol.encode() for protocol in route.upgrade)
        self.request_rules = compile_request_rules(route.request, route.prefix, f"{path}.request")
        self.response_rules = compile_response_rules(route.response, f"{path}.response")
        self.capability = route.capability
        capability = document.capabilities.get(route.capability or "")
        self.hold = capability.hold if capability is not None else config.Hold()
        mirrored = (route.mirror, capability.mirror if capability is not None else None)
        copied = [mirror.body_bytes for mirror in mirrored if mirror is not None]
        self.kept = max(route.retry.body_bytes, *copied, 0)
        # Answers that are looked at before they are passed on.
        self.second_thoughts = self.retried | self.fallback_statuses | {FENCED, MOVED}
        self.plain = not (self.cache or self.answer or self.request_rules or self.response_rules)


# Of a request that found no route.
NOWHERE = Way(
    0, config.Route(name="", prefix="/"), config.Document(version=1, listen=(), routes=())
)


def ways_of(document: config.Document) -> tuple[Way, ...]:
    """All of them, by the index of their route. Raises TableRefused."""
    return tuple(Way(index, route, document) for index, route in enumerate(document.routes))
