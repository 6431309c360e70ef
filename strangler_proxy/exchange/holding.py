"""Commands that wait while the authority of their capability moves, and are sent where it went.

Three ways lead here: the table says ``held``; the upstream answers 503 with ``Ficus-Fenced`` (it
refuses writes for a moment and did nothing); it answers 421 with ``Ficus-Moved: <epoch>``
(another host has the authority, and again nothing was done). So sending again is safe whatever
the method, with the same Idempotency-Key and body.

==========  ==================================  ==================================================
held        a table in which it is not held     is then decided anew, as all who go on by another
fenced      any table, or a pause               a fence may lapse without a table; each pause of a
                                                request is twice as long as the one before
moved       a table of that epoch, or later     once; who is told so again is refused. Who knew of
                                                that epoch already asks an instance that does not
                                                know its own: a pause, and once more
==========  ==================================  ==================================================
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from strangler_proxy.decision import decide
from strangler_proxy.errors import Refusal
from strangler_proxy.exchange import detours
from strangler_proxy.exchange.own_answers import refuse
from strangler_proxy.metrics import Event

if TYPE_CHECKING:
    from strangler_proxy.app import Proxy
    from strangler_proxy.exchange.exchange import Exchange

FIRST_PAUSE = 0.02  # seconds before the fenced ask again; twice as long each time
LONGEST_PAUSE = 0.2
EPOCH_DIGITS = 18
_RETRY = ((b"Retry-After", b"1"),)


class Holds:
    """All who wait, by capability, in the order they came."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        # With the epoch that a table must have; 0 for any.
        self._waiting: dict[str, dict[Exchange, int]] = {}
        self._timers: dict[Exchange, asyncio.TimerHandle] = {}

    def waiting(self) -> dict[str, int]:
        """How many wait for each capability."""
        return {name: len(queue) for name, queue in self._waiting.items() if queue}

    def hold(self, exchange: Exchange) -> None:
        """Wait for a table in which the capability is not held; it may be in force already."""
        if self._enter(exchange) and self._is_behind(exchange):
            self._go_on_in(0.0, exchange)

    def fenced(self, exchange: Exchange) -> None:
        """Wait a moment and ask again, or go where a new table says."""
        if self._enter(exchange):
            pause = min(max(exchange.pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            exchange.pause = pause
            self._go_on_in(0.0 if self._is_behind(exchange) else pause, exchange)

    def moved(self, exchange: Exchange, epoch: bytes) -> None:
        """Go to the new authority, once this process knows it; once only."""
        capability = exchange.way.capability or ""
        self._proxy.metrics.count(Event.MOVED, capability)
        if exchange.moved:
            refuse(exchange, _refusal("The authority of this has moved twice; try again."))
            return
        exchange.moved = True
        wanted = int(epoch) if epoch.isdigit() and len(epoch) <= EPOCH_DIGITS else 0
        known = self._proxy.state.table.capabilities.get(capability)
        if known is not None and known.epoch < wanted:
            self._enter(exchange, wanted)
        elif self._enter(exchange):
            self._go_on_in(0.0 if self._is_behind(exchange) else LONGEST_PAUSE, exchange)

    def expired(self, exchange: Exchange) -> None:
        """It has waited for as long as it may."""
        self.forget(exchange)
        self._count(exchange, "expired")
        refuse(exchange, _refusal("The authority of this is moving and took too long; try again."))

    def forget(self, exchange: Exchange) -> None:
        """It does not wait any more."""
        if exchange.held_since:
            exchange.held += self._proxy.time() - exchange.held_since
            exchange.held_since = 0.0
        self._waiting[exchange.way.capability or ""].pop(exchange, None)
        timer = self._timers.pop(exchange, None)
        if timer is not None:
            timer.cancel()

    def release(self) -> None:
        """There is a new table: those whom it concerns look again, in their order."""
        capabilities = self._proxy.state.table.capabilities
        for name, queue in self._waiting.items():
            known = capabilities.get(name)
            if known is None:
                going = list(queue)
            elif known.held:
                continue
            else:
                going = [one for one, epoch in queue.items() if epoch <= known.epoch]
            for exchange in going:
                del queue[exchange]
                self._go_on_in(0.0, exchange)

    def _is_behind(self, exchange: Exchange) -> bool:
        """Whether it was decided by a table that is not in force any more."""
        return self._proxy.state is not exchange.state

    def _enter(self, exchange: Exchange, epoch: int = 0) -> bool:
        """Take a place, or refuse. ``epoch``: what a table must know to be of use."""
        way = exchange.way
        queue = self._waiting.setdefault(way.capability or "", {})
        if not exchange.kept or len(queue) >= way.hold.queue:
            self._count(exchange, "refused")
            refuse(exchange, _refusal("The authority of this is moving; try again."))
            return False
        if not exchange.held:
            self._count(exchange, "held")
        now = self._proxy.time()
        exchange.held_since = now
        exchange.expires = min(exchange.ends(), now + way.hold.seconds - exchange.held)
        if exchange.steps is None:
            exchange.steps = iter(())  # so that its end is told to us
        queue[exchange] = epoch
        return True

    def _go_on_in(self, seconds: float, exchange: Exchange) -> None:
        """Not at once even then: many may go on, and what one of them does is its own affair."""
        before = self._timers.pop(exchange, None)
        if before is not None:
            before.cancel()
        self._timers[exchange] = self._proxy.loop.call_later(seconds, self._go_on, exchange)

    def _go_on(self, exchange: Exchange) -> None:
        """Decide by the table in force, if there is another, and go; or wait on."""
        self.forget(exchange)
        behind = self._is_behind(exchange)
        if behind and not _redecide(exchange):
            return
        if exchange.decision.held:
            self._enter(exchange)
            return
        self._count(exchange, "resent")
        exchange.expires = exchange.ends()
        exchange.tried = ()
        exchange.spent = exchange.attempts
        if behind:
            detours.begin_again(exchange)
        else:
            exchange.ask(exchange.decision.upstream)

    def _count(self, exchange: Exchange, result: str) -> None:
        self._proxy.metrics.count(Event.HELD, exchange.way.capability or "", result)


def _redecide(exchange: Exchange) -> bool:
    """Decide anew by the table in force; False if it is refused now.

    Credentials are judged as of when the request came: it is not the client that was late.
    """
    proxy = exchange.proxy
    exchange.state = state = proxy.state
    exchange.decision = decision = decide(
        exchange.head, state.table, exchange.at, proxy.rng, state.identify
    )
    if decision.refusal is not None:
        refuse(exchange, decision.refusal)
        return False
    if decision.route is not None:
        exchange.way = state.ways[decision.route.index]
    return True


def _refusal(detail: str) -> Refusal:
    return Refusal(503, "authority_moving", detail, _RETRY)
