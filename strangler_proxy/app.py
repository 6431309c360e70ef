"""The front door of one process: its state, its listeners, its clock's tick, its end.

``Proxy.state`` is one immutable object; a new table is one attribute write. A request works with
the state it began with, so none ever sees half of two tables.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from strangler_proxy import config, hanging_up
from strangler_proxy.access_log.log import AccessLog
from strangler_proxy.auth.credentials import Credentials, SharedLimits
from strangler_proxy.cache import Cache
from strangler_proxy.decision import Identify
from strangler_proxy.entrance import Entrance
from strangler_proxy.errors import Refusal
from strangler_proxy.exchange.holding import Holds
from strangler_proxy.exchange.way import Way, ways_of
from strangler_proxy.limits.local import Limiter
from strangler_proxy.metrics import Event, Metrics
from strangler_proxy.mirror.copying import Mirrors
from strangler_proxy.mirror.places import Places
from strangler_proxy.mirror.recording import Recorder
from strangler_proxy.server import ClientConnection
from strangler_proxy.table import Table
from strangler_proxy.upstream import Upstream
from strangler_proxy.upstreams import Upstreams
from strangler_proxy.wire.answers import problem_answer
from strangler_proxy.wire.cross_origin import CrossOrigin
from strangler_proxy.wire.forwarding import UNIX, Peer, TrustedProxies
from strangler_proxy.wire.heads import RequestHead
from strangler_proxy.wire.tls import server_context
from strangler_proxy.wire.tracing import Beginnings

if TYPE_CHECKING:
    from strangler_proxy.auth.keys import KeySource
    from strangler_proxy.exchange.exchange import Exchange
    from strangler_proxy.limits.in_redis import SharedLimiter

TICK = 0.05  # seconds: how late a deadline may be noticed
SLOW_TICKS = 10  # for clients' patience and idle connections


@dataclass(frozen=True, slots=True)
class State:
    """All that a table decides, at once."""

    table: Table
    ways: tuple[Way, ...]  # by the index of their route
    upstreams: dict[str, Upstream]
    identify: Identify
    keys: KeySource | None = None
    shared: SharedLimiter | None = None
    cors: CrossOrigin | None = None


class Timed(Protocol):
    """What has a deadline: exchanges, copies, renewals."""

    expires: float  # by ``Proxy.time``

    def on_expired(self) -> None: ...


class Listener:
    """A listening socket and what holds for its clients."""

    def __init__(self, rules: config.Listen) -> None:
        self.rules = rules
        self.limits = rules.limits
        self.tls = server_context(rules.tls) if rules.tls else None
        self._trusted = TrustedProxies(rules.trusted_proxies)

    def peer(self, transport: asyncio.BaseTransport) -> Peer:
        """Who is at the other end."""
        name = transport.get_extra_info("peername")
        address = name[0] if isinstance(name, tuple) else UNIX
        return Peer(address, secure=self.tls is not None, trusted=self._trusted.has(address))

    def look_behind(self, peer: Peer, head: RequestHead) -> None:
        """A trusted proxy says who the client is, and how it came."""
        chain = head.headers.get(b"x-forwarded-for")
        if chain is not None:
            head.address = self._trusted.client_of(peer.address, chain)
        scheme = head.headers.get(b"x-forwarded-proto")
        if scheme is not None:
            head.secure = scheme.rpartition(b",")[2].strip().lower() == b"https"


class Proxy:
    """Everything one process needs to serve. ``time`` is monotonic, ``wall`` unix seconds."""

    def __init__(
        self,
        *,
        access_log: AccessLog | None = None,
        recorder: Recorder | None = None,
        time: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self.time = time
        self.wall = wall
        self.rng = rng or random.Random()  # noqa: S311 - chances and span ids, no secrets
        self.beginnings = Beginnings(self.rng)
        self.metrics = Metrics()
        self.limiter = Limiter({})
        self.access_log = access_log
        self.upstreams = Upstreams(clock=time, rng=self.rng, metrics=self.metrics)
        self.holds = Holds(self)
        self.places = Places(self.metrics, time)
        self.mirrors = Mirrors(self)
        self.cache: Cache | None = None
        self._cached_credentials: tuple[str, ...] = ()
        self.recorder = recorder
        self.state: State
        self.timed: set[Timed] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._credentials = Credentials(self.metrics)
        self._shared = SharedLimits(self.metrics)
        self.draining = False
        self.loop: asyncio.AbstractEventLoop
        self._connections: set[ClientConnection] = set()
        self._entrances: list[Entrance] = []
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------ life

    def apply(self, table: Table) -> None:
        """Put a table in force. Raises TableRefused, and OSError for files it names; then the
        old one stays in force."""
        document = table.document
        # All that can fail comes first: what is refused half way must not have changed a thing.
        ways = ways_of(document)
        made = self.upstreams.prepare(document.upstreams)
        shared = self._shared.prepare(document.shared_limits, self.limiter)
        keys, identify = self._credentials.configure(document.authentication)
        upstreams = self.upstreams.configure(document.upstreams, made)
        self.limiter.configure(document.rate_limits)
        self._shared.configure(document.shared_limits, shared)
        self._configure_cache(document, ways)
        cors = CrossOrigin(document.cors) if document.cors is not None else None
        self.state = State(table, ways, upstreams, identify, keys, shared, cors)
        self.metrics.keep([way.name for way in ways], upstreams.keys())
        self.metrics.count(Event.TABLE_SWAPPED)
        self.holds.release()

    def _configure_cache(self, document: config.Document, ways: tuple[Way, ...]) -> None:
        authentication = document.authentication
        opaque = authentication.opaque_headers if authentication is not None else ()
        if all(way.cache is None for way in ways):
            self.cache = None
        elif self.cache is None or opaque != self._cached_credentials:
            self.cache = Cache(document.cache_bytes, credentials=opaque)
        else:
            self.cache.memory.resize(document.cache_bytes)
        self._cached_credentials = opaque

    async def serve(
        self, listeners: Sequence[config.Listen], sockets: Sequence[socket.socket] = ()
    ) -> None:
        """Open the listeners (or take over ``sockets``) and begin. Raises OSError."""
        self.loop = asyncio.get_running_loop()
        for number, rules in enumerate(listeners):
            entrance = self._entrance(Listener(rules))
            self._entrances.append(entrance)
            await entrance.open(sockets[number] if sockets else None)
        self._timer = self.loop.call_later(TICK, self._tick)

    def _entrance(self, listener: Listener) -> Entrance:
        rules = listener.rules

        def make() -> Any:
            return ClientConnection(self, listener)

        return Entrance(rules.address, rules.backlog, listener.tls, make)

    def listening(self) -> list[socket.socket]:
        """The sockets of all listeners."""
        return [opened for entrance in self._entrances for opened in entrance.sockets()]

    async def leave(self) -> None:
        """Take in who waits at the doors, and listen no more."""
        for entrance in self._entrances:
            await entrance.leave()

    async def drain(self, seconds: float) -> None:
        """Take no new connections, end what is under way, at most ``seconds`` long."""
        self.draining = True
        until = self.time() + seconds
        await self.leave()
        # What was accepted just now is a connection some turns later, and what has come in while
        # this loop was late is read.
        await asyncio.sleep(0.02)
        for connection in list(self._connections):
            hanging_up.drain(connection)
        while self._is_busy() and self.time() < until:
            await asyncio.sleep(0.02)
        if self.access_log is not None:
            await self.access_log.finish()
        await self.stop()

    def _is_busy(self) -> bool:
        return bool(self._connections) or any(one.arriving for one in self._entrances)

    async def stop(self) -> None:
        """Close everything now."""
        for entrance in self._entrances:
            entrance.stop()
        for connection in list(self._connections):
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()
        self.upstreams.stop()
        await self._credentials.close()
        await self._shared.close()
        if self.access_log is not None:
            self.access_log.close()
        if self.recorder is not None:
            await asyncio.to_thread(self.recorder.close)

    # ------------------------------------------------------------ for connections

    def admit(self, connection: ClientConnection) -> bool:
        """Whether one more client may connect."""
        limit = connection.listener.limits.connections
        if len(self._connections) >= limit:
            return False
        self._connections.add(connection)
        self.metrics.count(Event.CONNECTION_ACCEPTED, connection.listener.rules.address)
        if self.draining:
            hanging_up.drain(connection)
        return True

    def forget(self, connection: ClientConnection) -> None:
        """The connection is closed."""
        if connection in self._connections:
            self._connections.discard(connection)
            address = connection.listener.rules.address
            self.metrics.count(Event.CONNECTION_CLOSED, address, "closed")

    def refused_head(self, connection: ClientConnection, refusal: Refusal) -> None:
        """Answer what could not be read as a request."""
        request_id = f"{self.rng.getrandbits(128):032x}"
        more = b"X-Request-Id: %b\r\nConnection: close\r\n" % request_id.encode()
        connection.write(problem_answer(refusal, request_id, more=more))
        self.metrics.count(Event.REFUSED, refusal.code)
        self.metrics.observe("", "", refusal.status, 0.0, 0, 0)

    def note(self, exchange: Exchange, now: float) -> None:
        """Count and log a request that is over. ``now`` by ``time``."""
        decision, way, head = exchange.decision, exchange.way, exchange.head
        seconds = now - exchange.started
        attempt, status = exchange.attempt, exchange.status
        bytes_in, bytes_out = exchange.bytes_in, exchange.bytes_out
        upstream = instance = ""
        if attempt is not None:
            upstream = attempt.upstream.name
            instance = attempt.member.address if attempt.member is not None else ""
        self.metrics.observe(way.name, upstream, status, seconds, bytes_in, bytes_out)
        if self.access_log is None:
            return
        identity, target, path = decision.identity, head.target, head.path
        query = max(0, len(target) - len(path) - 1)
        self.access_log.add((
            exchange.at, head.method, path, query,
            way.name, upstream, instance, decision.side, decision.phase,
            status, seconds, bytes_in, bytes_out,
            exchange.request_id.decode(), exchange.trace.traceparent[3:35].decode(),
            identity.subject if identity is not None else "", head.address,
            exchange.attempts, exchange.code, exchange.cached, exchange.held,
        ))  # fmt: skip

    # ------------------------------------------------------------ time

    def _tick(self) -> None:
        self._timer = self.loop.call_later(TICK, self._tick)
        now = self.time()
        for exchange in [one for one in self.timed if one.expires < now]:
            exchange.on_expired()
        self._ticks += 1
        if self._ticks % SLOW_TICKS == 0:
            self.upstreams.sweep(now)
            for connection in [one for one in self._connections if 0 < one.alarm < now]:
                hanging_up.on_alarm(connection)
