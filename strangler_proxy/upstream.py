"""An upstream at run time: its bulkhead, its retry budget, its instances and their connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modules.platform.resilience import RetryBudget
from strangler_proxy.balance import Balancer
from strangler_proxy.config import Upstream as Rules
from strangler_proxy.errors import NoInstance, Overloaded, UpstreamFailed
from strangler_proxy.member import Member
from strangler_proxy.pool import Pool
from strangler_proxy.wire.tls import client_context

if TYPE_CHECKING:
    import ssl

    from strangler_proxy.attempt import Attempt


class Upstream:
    """Bulkhead, retry budget, instances and their pools."""

    __slots__ = (
        *("_calling", "_config", "_queue", "_tls", "balancer", "budget", "calls", "clock"),
        *("concurrent", "dials", "inflight", "name"),
    )

    def __init__(
        self, name: str, rules: Rules, balancer: Balancer, clock: Callable[[], float]
    ) -> None:
        self.name = name
        self._config = rules
        self.concurrent = rules.bulkhead.concurrent
        self.balancer = balancer
        self.budget = RetryBudget(
            share=rules.retry_budget.share, reserve=rules.retry_budget.reserve
        )
        self.inflight = 0
        self.calls = 0  # since the budget was told
        self._queue: deque[Attempt] = deque()
        self._calling = False  # from the queue
        self.clock = clock
        self._tls: ssl.SSLContext | None = client_context(rules.tls) if rules.tls else None
        self.dials: set[asyncio.Task[None]] = set()

    @property
    def config(self) -> Rules:
        """The document's part; another may be set that reaches the same instances the same way."""
        return self._config

    @config.setter
    def config(self, rules: Rules) -> None:
        self._config = rules
        self.concurrent = rules.bulkhead.concurrent

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def pool_for(self, member: Member) -> Pool:
        """The member's pool, made at first need."""
        pool = member.pool
        if pool is None:
            rules = self.config
            pool = member.pool = Pool(
                member.address,
                rules.connections,
                tls=self._tls,
                server_name=rules.tls.server_name if rules.tls else None,
                clock=self.clock,
            )
        return pool  # type: ignore[no-any-return]

    def may_retry(self) -> bool:
        """Whether the budget allows one more attempt; it counts as made."""
        self.budget.called(self.calls)
        self.calls = 0
        return self.budget.take()

    def queue(self, attempt: Attempt) -> None:
        """The bulkhead is full, or probes are under way: the attempt waits for ``go``, as long as
        it may in all. Raises Overloaded."""
        rules = self.config.bulkhead
        if len(self._queue) >= rules.queue:
            self._queue = deque([one for one in self._queue if not one.over])
        if len(self._queue) >= rules.queue:
            raise Overloaded(f"{self.name} works on {self.inflight} and {len(self._queue)} wait")
        if not attempt.waits_until:
            attempt.waits_until = self.clock() + rules.queue_seconds
        self._queue.append(attempt)

    def leave(self) -> None:
        """One attempt is over: the next in the queue may go."""
        self.inflight -= 1
        if self._queue and not self._calling:
            self._call_in()

    def nobody(self) -> NoInstance:
        """What an attempt gets when nobody may be asked."""
        error = NoInstance(f"{self.name} has no instance that may be asked now")
        error.retry_after = self.balancer.retry_after()
        return error

    def _call_in(self) -> None:
        """All whose turn it is, each once: some go back to wait for probes. One that fails at once
        leaves from within here: hundreds of them in a row must not be as many frames deep."""
        self._calling = True
        try:
            for _ in range(len(self._queue)):
                if self.inflight >= self.concurrent:
                    break
                attempt = self._queue.popleft()
                if not attempt.over:
                    self.inflight += 1
                    attempt.go()
        finally:
            self._calling = False

    def _no_turn(self) -> UpstreamFailed:
        """Why somebody has waited in vain."""
        if self.inflight < self.concurrent:
            return self.nobody()
        return Overloaded(f"{self.name}: no turn in time")

    def abort(self) -> None:
        """Close all connections now: whoever still waits for an answer has nobody to give it to."""
        for member in (*self.balancer.members, *self.balancer.leaving):
            if member.pool is not None:
                member.pool.abort()

    def snapshot(self, now: float) -> dict[str, Any]:
        """How it stands, for people."""
        members = (*self.balancer.members, *self.balancer.leaving)
        pools = {m.address: m.pool for m in members if m.pool is not None}
        return {
            "inflight": self.inflight,
            "waiting": self.waiting,
            "pools": {at: {"open": pool.open, "idle": pool.idle} for at, pool in pools.items()},
            **self.balancer.snapshot(now),
        }

    def sweep(self, now: float) -> None:
        """End waiting that took too long, and connections that were idle too long."""
        while self._queue and (self._queue[0].over or self._queue[0].waits_until < now):
            attempt = self._queue.popleft()
            if not attempt.over:
                attempt.give_up(self._no_turn())
        if self._queue:
            self._call_in()  # probes may have hung, so that others may try
        for member in (*self.balancer.members, *self.balancer.leaving):
            if member.pool is not None:
                member.pool.sweep(now)
