"""Remembers the tokens that were used, so that none is taken twice.

Redis remembers for all instances (SET NX with an expiry). This process remembers as well: its
memory stands in while Redis is away, and then a token could be used once at each process.
"""

from __future__ import annotations

import contextlib
import heapq
import threading
import time
import weakref
from collections.abc import Callable

import redis
import structlog

from modules.platform.rpc.metrics import REPLAY_AWAY

log = structlog.get_logger(__name__)

PREFIX = "ficus:rpc:jti:"
# SET key "" NX EX seconds, as Redis reads it (RESP): made here, as it is always the same.
_COMMAND = b"*6\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$0\r\n\r\n$2\r\nNX\r\n$2\r\nEX\r\n$%d\r\n%s\r\n"
PATIENCE = 0.25  # seconds for Redis: callers wait meanwhile
LEFT_ALONE = 2.0  # seconds for which Redis is not asked after it failed
MOST = 200_000  # tokens in this process's memory, about 30 MB: 5,000 calls/s while they live


class Seen:
    """Tokens used in this process, for as long as they live. Safe between threads."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: list[tuple[float, str]] = []  # a heap: what ends first, first
        self._ids: set[str] = set()

    def add(self, id: str, seconds: float) -> bool:
        """Remember ``id`` for ``seconds``; False when it was remembered already.

        When there is no more room, what ends first is forgotten first.
        """
        now = self._clock()
        with self._lock:
            self._forget(now)
            if id in self._ids:
                return False
            if len(self._ids) >= self._most:
                self._ids.discard(heapq.heappop(self._ends)[1])
            self._ids.add(id)
            heapq.heappush(self._ends, (now + seconds, id))
        return True

    def __len__(self) -> int:
        return len(self._ids)

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            self._ids.discard(heapq.heappop(self._ends)[1])


class Line:
    """A thread's own connection to Redis. The pool has it back when the thread ends, which is when
    the last reference goes: servers' threads come and go, and a pool has no more than a hundred.
    """

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self._pool = pool
        self.connection: redis.Connection = pool.get_connection()
        self.is_owed = False  # an answer is still to be read

    def __del__(self) -> None:
        # What another thread takes over must not have an answer for this one in it.
        with contextlib.suppress(AttributeError, redis.RedisError, OSError):
            if self.is_owed:
                self.connection.disconnect()
            self._pool.release(self.connection)


class Replays:
    """Whether a token is used for the first time. Safe between threads."""

    def __init__(
        self,
        url: str,
        *,
        seen: Seen | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``url`` of Redis; empty: only this process remembers."""
        self._pool = _pool(url) if url else None
        self._threads = threading.local()
        self._seen = Seen(clock=clock) if seen is None else seen
        self._clock = clock
        self._asked_again_at = float("-inf")
        if self._pool is not None:  # for those whom nobody closes
            weakref.finalize(self, self._pool.disconnect)

    def first_use(self, issuer: str, jti: str, seconds: int) -> bool:
        """Remember the token for ``seconds``; False when it was used before."""
        return self.begin_use(issuer, jti, seconds)()

    def begin_use(self, issuer: str, jti: str, seconds: int) -> Callable[[], bool]:
        """As ``first_use``, in two steps: Redis is told now, and works while the caller does.

        What is returned waits for its answer. It is to be called once, by the same thread.
        """
        id = f"{issuer}:{jti}"
        if not self._seen.add(id, seconds):
            return lambda: False
        if self._pool is None or self._clock() < self._asked_again_at:
            return lambda: True
        key, life = (PREFIX + id).encode(), b"%d" % max(1, seconds)
        command = _COMMAND % (len(key), key, len(life), life)
        try:
            line = self._told(self._pool, command)
        except redis.RedisError as error:
            self._leave_alone(error)
            return lambda: True
        return lambda: self._is_first(line)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.disconnect()

    def _told(self, pool: redis.ConnectionPool, command: bytes) -> Line:
        """The line on which Redis was told, this thread's own. Raises RedisError.

        A client with a pool looks at the socket before each command, which costs as much again.
        Here a dead connection shows in the command, and the next one connects anew.
        """
        line: Line | None = getattr(self._threads, "line", None)
        if line is None:
            line = self._threads.line = Line(pool)
        elif line.is_owed:
            line.connection.disconnect()  # an answer still to come must not be taken for this one's
        line.is_owed = True
        line.connection.send_packed_command([command])
        return line

    def _is_first(self, line: Line) -> bool:
        try:
            is_first = line.connection.read_response() is not None
        except redis.RedisError as error:
            self._leave_alone(error)
            return True
        line.is_owed = False
        return is_first

    def _leave_alone(self, error: redis.RedisError) -> None:
        self._asked_again_at = self._clock() + LEFT_ALONE
        REPLAY_AWAY.inc()
        log.warning("rpc.replay_memory_away", error=str(error))


def _pool(url: str) -> redis.ConnectionPool:
    return redis.ConnectionPool.from_url(
        url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
    )
