"""What is tried when an answer is not good enough to pass on, or when there is none.

In this order: wait for the authority (fenced, moved), another attempt, the monolith while it has
the authority, what the cache may still say, the route's fallback - and if nothing helps, a problem
that says how long to wait.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from strangler_proxy.attempt import UNHEALTHY
from strangler_proxy.cache.keeping import ERRORS
from strangler_proxy.decision import Side
from strangler_proxy.errors import NoInstance, Overloaded, Refusal, UpstreamFailed
from strangler_proxy.exchange.own_answers import refuse, respond
from strangler_proxy.exchange.way import FENCED, MOVED
from strangler_proxy.metrics import Event
from strangler_proxy.wire.heads import ResponseHead

if TYPE_CHECKING:
    from strangler_proxy.exchange.exchange import Exchange

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
_DETAILS = {
    502: "The service that answers this gave no usable answer.",
    503: "The service that answers this is not available now.",
    504: "The service that answers this did not answer in time.",
}


def on_answer(exchange: Exchange, head: ResponseHead) -> bool:
    """Whether something better is tried than to pass this answer on."""
    way, attempt, status = exchange.way, exchange.asked, head.status
    if way.capability is not None and _waits(exchange, head):
        return True
    blamed = status in UNHEALTHY
    if status in way.retried and _is_repeatable(exchange, sent=True):
        if _may_try_again(exchange):
            attempt.cancel(failed=blamed)
            _try_again(exchange, str(status))
            return True
        if exchange.decision.alternative:
            attempt.cancel(failed=blamed)
            _fail_over(exchange, exchange.decision.alternative)
            return True
    if status in way.fallback_statuses and _stand_in(exchange, status):
        attempt.cancel(failed=blamed)
        return True
    return False


def on_failed(exchange: Exchange, error: UpstreamFailed) -> None:
    """There is no answer."""
    pointless = isinstance(error, (NoInstance, Overloaded))
    if not _is_repeatable(exchange, sent=error.sent):
        give_up(exchange, error)
    elif not pointless and _may_try_again(exchange):
        _try_again(exchange, error.code)
    elif exchange.decision.alternative:
        _fail_over(exchange, exchange.decision.alternative)
    else:
        give_up(exchange, error)


def give_up(exchange: Exchange, error: UpstreamFailed) -> None:
    """No attempt is left: a stored answer, the fallback, or the problem."""
    if not _stand_in(exchange, error.status):
        refuse(exchange, refusal_of(error))


def refusal_of(error: UpstreamFailed) -> Refusal:
    """What the client is told; where waiting helps, for how long."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if error.status == 503:
        headers = ((b"Retry-After", b"%d" % max(1, math.ceil(error.retry_after))),)
    return Refusal(error.status, error.code, _DETAILS[error.status], headers)


def _waits(exchange: Exchange, head: ResponseHead) -> bool:
    """Fenced or moved: nothing was done, and the authority is soon to be found again."""
    holds, attempt = exchange.proxy.holds, exchange.asked
    if head.status == FENCED and b"ficus-fenced" in head.headers:
        attempt.cancel()
        holds.fenced(exchange)
        return True
    if head.status == MOVED and b"ficus-moved" in head.headers:
        attempt.cancel()
        holds.moved(exchange, head.headers[b"ficus-moved"])
        return True
    return False


def _is_repeatable(exchange: Exchange, *, sent: bool) -> bool:
    """Whether the request may be sent again: it is all here, and that is harmless."""
    if not sent or not exchange.kept:
        return exchange.kept
    head = exchange.head
    keyed = b"idempotency-key" in head.headers
    return (head.method in IDEMPOTENT or keyed) and not exchange.upgrade


def _may_try_again(exchange: Exchange) -> bool:
    """Whether attempts, time and budget are left for the same upstream."""
    if exchange.attempts - exchange.spent >= exchange.way.attempts or exchange.fallen_back:
        return False
    if exchange.proxy.time() >= exchange.expires:
        return False
    upstream = exchange.asked.upstream
    if upstream.may_retry():
        return True
    exchange.proxy.metrics.count(Event.RETRY_BUDGET_EXHAUSTED, upstream.name)
    return False


def _try_again(exchange: Exchange, reason: str) -> None:
    attempt = exchange.asked
    exchange.proxy.metrics.count(Event.RETRIED, attempt.upstream.name, reason)
    if attempt.member is not None:
        exchange.tried = (*exchange.tried, attempt.member)
    exchange.ask(attempt.upstream.name)


def _fail_over(exchange: Exchange, monolith: str) -> None:
    """The service cannot be asked, and the monolith still has the authority."""
    decision = exchange.decision
    decision.upstream, decision.alternative, decision.side = monolith, None, Side.MONOLITH
    exchange.tried = ()
    exchange.proxy.metrics.count(Event.FELL_BACK, exchange.way.name, "monolith")
    exchange.ask(monolith)


def _stand_in(exchange: Exchange, status: int) -> bool:
    """Answer otherwise; False when there is nothing that may stand in for this status."""
    caching = exchange.caching
    if caching is not None and status in ERRORS and caching.on_failure():
        return True
    way = exchange.way
    fallback = way.fallback
    if fallback is None or exchange.fallen_back or status not in way.fallback_statuses:
        return False
    count = exchange.proxy.metrics.count
    if fallback.upstream is not None:
        if not _may_ask_another(exchange):
            return False
        exchange.fallen_back = True
        exchange.tried = ()
        count(Event.FELL_BACK, way.name, "upstream")
        exchange.ask(fallback.upstream)
    elif fallback.answer is not None:
        given = fallback.answer
        count(Event.FELL_BACK, way.name, "answer")
        fields = tuple((name.encode(), value.encode()) for name, value in given.headers.items())
        respond(exchange, given.status, fields, given.body.encode())
    elif caching is not None and caching.last_resort():
        count(Event.FELL_BACK, way.name, "stale")
    else:
        return False
    return True


def _may_ask_another(exchange: Exchange) -> bool:
    """An Idempotency-Key is known to one upstream only; and the deadline is for all together."""
    in_time = exchange.proxy.time() < exchange.ends()
    return exchange.head.method in IDEMPOTENT and exchange.kept and in_time
