"""One attempt at an upstream, for whoever wants the answer.

It enters the bulkhead, picks an instance, takes or makes a connection, sends, and hands the answer
to its owner; whatever happens, it leaves the bulkhead and tells the instance's breaker and outlier
count once. Clients' exchanges, mirrored copies and the cache's background requests are all owners.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from strangler_proxy.errors import (
    ConnectFailed,
    ConnectionLost,
    Overloaded,
    UpstreamFailed,
)
from strangler_proxy.member import Member
from strangler_proxy.wire.heads import ResponseHead

if TYPE_CHECKING:
    from strangler_proxy.connection import UpstreamConnection
    from strangler_proxy.pool import Pool
    from strangler_proxy.upstream import Upstream

# Answers that speak of the instance's health. Fenced and Moved are answers, not failures.
UNHEALTHY: Final = frozenset({502, 503, 504})
NOT_A_FAILURE: Final = (b"ficus-fenced", b"ficus-moved")


class Owner(Protocol):
    """Who wants the answer of an attempt."""

    def message(self) -> tuple[bytes, bool]:
        """All bytes that there are now, and whether the request ends with them."""

    def on_answer(self, head: ResponseHead, data: bytes, ended: bool) -> None: ...

    def on_data(self, data: bytes, ended: bool) -> None: ...

    def on_failed(self, error: UpstreamFailed) -> None: ...

    def on_upstream_paused(self) -> None: ...

    def on_upstream_resumed(self) -> None: ...


class Attempt:
    """One try at one instance. ``over`` when nothing more will be told to the owner."""

    __slots__ = (
        *("_bad", "_detached", "_entered", "_judges", "_no_body", "_ticket", "avoid"),
        *("connection", "member", "over", "owner", "upstream", "waits_until"),
    )

    def __init__(
        self,
        owner: Owner,
        upstream: Upstream,
        *,
        no_body: bool,
        avoid: Sequence[Member] = (),
        detached: bool = False,
        judges: bool = True,
    ) -> None:
        """``detached``: outside the bulkhead; the owner has one of its own. ``judges``: what comes
        of it speaks for or against the instance."""
        self.owner = owner
        self.upstream = upstream
        self.avoid = avoid
        self.member: Member | None = None
        self.connection: UpstreamConnection | None = None
        self.over = False
        self.waits_until = 0.0  # for its turn; 0: it has not had to wait
        self._entered = False
        self._bad = False  # what has come of the answer speaks against the instance
        self._no_body = no_body
        self._detached = detached
        self._judges = judges

    def start(self) -> None:
        """Go, or wait for a turn."""
        upstream = self.upstream
        if self._detached:
            self.go()
        elif upstream.inflight < upstream.concurrent:
            upstream.inflight += 1
            self.go()
        else:
            try:
                upstream.queue(self)
            except Overloaded as error:
                self.over = True
                self.owner.on_failed(error)

    def go(self) -> None:
        """It is our turn."""
        self._entered = True
        upstream = self.upstream
        balancer = upstream.balancer
        now = upstream.clock()
        member = balancer.pick(now, self.avoid)
        if member is None and self.avoid:
            member = balancer.pick(now)  # nobody else is there: the same again
        if member is None:
            if not self._waits_for_probes(now):
                self.give_up(upstream.nobody())
            return
        self.member = member
        self._ticket = balancer.started(member)
        pool = member.pool or upstream.pool_for(member)
        connection = pool.take()
        if connection is None:
            task = asyncio.ensure_future(self._dial(pool))
            upstream.dials.add(task)
            task.add_done_callback(upstream.dials.discard)
        else:
            self._send(connection)

    def _waits_for_probes(self, now: float) -> bool:
        """Whether it is back in the queue, as what probes find out is worth waiting for."""
        upstream = self.upstream
        if self._detached or not upstream.balancer.is_probed:
            return False
        if self.waits_until and now >= self.waits_until:
            return False
        try:
            upstream.queue(self)
        except Overloaded:
            return False
        self._entered = False
        upstream.inflight -= 1
        return True

    async def _dial(self, pool: Pool) -> None:
        try:
            connection = await pool.dial()
        except ConnectFailed as error:
            if not self.over:
                self.give_up(error)
            return
        if self.over:  # given up meanwhile; the connection serves somebody else
            if not pool.keep(connection):
                connection.drop()
        else:
            self._send(connection)

    def _send(self, connection: UpstreamConnection) -> None:
        self.connection = connection
        data, whole = self.owner.message()
        connection.send(self, data, no_body=self._no_body, whole=whole)

    def send_more(self, data: bytes, whole: bool) -> None:
        """More of the request's body, once there is a connection."""
        if self.connection is not None:
            self.connection.send_more(data, whole=whole)

    # -- Receiver

    def on_answer(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        if head.status in UNHEALTHY:
            self._bad = not any(name in head.headers for name in NOT_A_FAILURE)
        if ended:
            self._settle(self._bad)
        self.owner.on_answer(head, data, ended)

    def on_data(self, data: bytes, ended: bool) -> None:
        if ended:
            self._settle(self._bad)
        self.owner.on_data(data, ended)

    def on_failed(self, error: UpstreamFailed) -> None:
        connection = self.connection
        if isinstance(error, ConnectionLost) and connection is not None and connection.is_stale:
            # Closed between two requests, as any server does: that is nobody's fault.
            self._settle(None)
            self.owner.on_failed(error)
        else:
            self.give_up(error)

    def on_upstream_paused(self) -> None:
        self.owner.on_upstream_paused()

    def on_upstream_resumed(self) -> None:
        self.owner.on_upstream_resumed()

    # -- ending

    def give_up(self, error: UpstreamFailed) -> None:
        """It failed: settle, and tell the owner."""
        self._settle(True)  # nobody is blamed for what never reached an instance
        self.owner.on_failed(error)

    def cancel(self, *, failed: bool | None = None) -> None:
        """The owner does not want the answer any more. ``failed``: because it took too long."""
        if self.over:
            return
        connection = self.connection
        if connection is not None and connection.receiver is self:
            connection.drop()
        self._settle(failed)

    def _settle(self, failed: bool | None) -> None:
        """Leave the bulkhead and judge the instance, once. None: nobody can tell."""
        self.over = True
        if not self._entered:
            return
        self._entered = False
        upstream, member = self.upstream, self.member
        if not self._judges:
            failed = None
        if member is not None:
            now = upstream.clock() if failed else 0.0  # success has no time
            upstream.balancer.finished(member, self._ticket, now, failed=failed)
        if not self._detached:
            upstream.leave()
