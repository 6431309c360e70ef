"""The steps that only some requests take before an upstream is asked, and after it has answered.

A step returns True to go on; False means that it has answered, or waits and will call
``exchange.proceed()`` itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from strangler_proxy.auth.identity import NO_KEYS, UNKNOWN_KEY
from strangler_proxy.errors import BadAnswer, Refusal
from strangler_proxy.exchange.caching import Caching
from strangler_proxy.exchange.own_answers import refuse, respond
from strangler_proxy.exchange.replying import deliver
from strangler_proxy.exchange.shaping import Shaping
from strangler_proxy.mirror.copying import Copying
from strangler_proxy.wire.answers import status_line
from strangler_proxy.wire.heads import NOT_RETURNED, ResponseHead

if TYPE_CHECKING:
    from strangler_proxy.auth.keys import KeySource
    from strangler_proxy.exchange.exchange import Exchange
    from strangler_proxy.limits.in_redis import SharedLimiter

__all__ = [
    *("STEPS", "Step", "admit_shared", "begin_again", "on_answer", "on_body", "on_data", "on_end"),
    "refused",
]

Step = Callable[["Exchange"], bool]
KEYS_SECONDS = 1.0  # that a request waits for keys which are being read


# ---------------------------------------------------------------- before the steps


def refused(exchange: Exchange, refusal: Refusal) -> None:
    """A refusal - unless it is for a key that may be published a moment later."""
    keys = exchange.state.keys
    if refusal in (UNKNOWN_KEY, NO_KEYS) and keys is not None and exchange.steps is None:
        exchange.steps = iter(())  # once
        exchange.later(_look_again(exchange, keys))
    else:
        refuse(exchange, refusal)


async def _look_again(exchange: Exchange, keys: KeySource) -> None:
    await keys.settled(KEYS_SECONDS)
    if not exchange.over:
        exchange.decide()


async def admit_shared(exchange: Exchange, shared: SharedLimiter) -> None:
    """The limits that are counted in Redis."""
    identity = exchange.decision.identity
    verdict = await shared.take(
        exchange.way.limits,
        identity.subject if identity else None,
        exchange.head.address,
        exchange.started,
    )
    if exchange.over:
        return
    if verdict.refusal is not None:
        refuse(exchange, verdict.refusal)
        return
    exchange.extra = verdict.lines
    exchange.go()


# ---------------------------------------------------------------- the steps


def _fixed(exchange: Exchange) -> bool:
    fixed = exchange.way.answer
    if fixed is None:
        return True
    fields = tuple((name.encode(), value.encode()) for name, value in fixed.headers.items())
    respond(exchange, fixed.status, fields, fixed.body.encode())
    return False


def _hold(exchange: Exchange) -> bool:
    if not exchange.decision.held:
        return True
    exchange.proxy.holds.hold(exchange)
    return False


def _cache(exchange: Exchange) -> bool:
    rules = exchange.way.cache
    if rules is None or exchange.proxy.cache is None:
        return True
    exchange.caching = Caching(exchange, exchange.proxy.cache, rules)
    return exchange.caching.begin()


def _shape(exchange: Exchange) -> bool:
    way = exchange.way
    if way.request_rules is None and way.response_rules is None:
        return True
    exchange.shaping = Shaping(exchange)
    return exchange.shaping.on_request()


def _copy(exchange: Exchange) -> bool:
    mirror = exchange.decision.mirror
    if mirror is not None and exchange.has_place(mirror):
        exchange.copying = Copying(exchange, mirror)
    return True


def _upgrade(exchange: Exchange) -> bool:
    wanted = exchange.head.upgrade()
    if wanted and wanted in exchange.way.upgrade:
        exchange.upgrade = wanted
    return True


STEPS: tuple[Step, ...] = (_fixed, _hold, _cache, _shape, _copy, _upgrade)


def begin_again(exchange: Exchange) -> None:
    """Take the steps of another table, with the request as it came."""
    if exchange.caching is not None:
        exchange.caching.on_end()
    if exchange.shaping is not None:
        exchange.shaping.undo()
    exchange.caching = exchange.shaping = exchange.copying = None
    exchange.target = exchange.fields = None
    exchange.upgrade = b""
    exchange.steps = iter(STEPS)
    exchange.proceed()


# ---------------------------------------------------------------- on the way back


def on_body(exchange: Exchange) -> bool:
    """More of a request's body, while a step may be waiting for the whole of it."""
    return exchange.shaping is not None and exchange.shaping.on_body()


def on_answer(exchange: Exchange, head: ResponseHead, data: bytes, ended: bool) -> None:
    """An answer for a request that has taken steps."""
    if head.status == 101:
        _switch(exchange, head, data)
        return
    if exchange.copying is not None:
        exchange.copying.on_answer(head, data)
    shaping = exchange.shaping
    if shaping is not None and shaping.answers is not None:
        shaping.answers.on_answer(head, data, ended)
    else:
        deliver(exchange, head, data, ended)


def on_data(exchange: Exchange, data: bytes, ended: bool) -> bool:
    """More of such an answer. True: it is dealt with."""
    if exchange.copying is not None:
        exchange.copying.on_data(data)
    answers = exchange.shaping.answers if exchange.shaping is not None else None
    if answers is not None and answers.on_data(data, ended):
        return True
    if exchange.caching is not None:
        exchange.caching.on_data(data, ended)
    return False


def on_end(exchange: Exchange) -> None:
    """The request is over, well or not."""
    if exchange.held_since:
        exchange.proxy.holds.forget(exchange)
    if exchange.caching is not None:
        exchange.caching.on_end()
    if exchange.copying is not None:
        exchange.copying.on_end()


def _switch(exchange: Exchange, head: ResponseHead, data: bytes) -> None:
    """101: from here on both sides speak another protocol."""
    if not exchange.upgrade:
        exchange.asked.cancel(failed=True)
        exchange.on_failed(BadAnswer("101 without being asked to switch"))
        return
    exchange.answering = True
    exchange.keep_alive = False
    exchange.status = 101
    exchange.expires = math.inf
    switched = b"Connection: Upgrade\r\nUpgrade: %b\r\n\r\n" % exchange.upgrade
    fields = head.passing(NOT_RETURNED)
    exchange.client.write(b"".join((status_line(101), fields, exchange.extra, switched, data)))
    exchange.client.tunnel()
