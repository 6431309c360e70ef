"""Tells the relays, after a commit, that there is something to send.

NOTIFY inside every transaction would cost 31-56 % of commit throughput with 8 writers, so the
word goes through Redis, after the commit, from one thread per process and at most every 2 ms.
A lost word costs one poll interval (250 ms), nothing else.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import redis
import structlog
from django.conf import settings

CHANNEL = "ficus.bus.wake"
DEBOUNCE = 0.002  # seconds between two words of one process
PATIENCE = 2.0  # seconds to wait for Redis, and to leave it alone after a failure

log = structlog.get_logger(__name__)


def wake_url() -> str:
    """Redis for wake-ups; empty: relays only poll."""
    return str(getattr(settings, "BUS_WAKE_URL", getattr(settings, "REDIS_URL", "")) or "")


class Waker:
    """Collects module names and sends them from a thread of its own."""

    def __init__(self, send: Callable[[list[str]], None], debounce: float = DEBOUNCE) -> None:
        self._send = send
        self._debounce = debounce
        self._pending: set[str] = set()
        self._ready = threading.Condition()
        threading.Thread(target=self._run, name="bus-wake", daemon=True).start()

    def wake(self, module: str) -> None:
        with self._ready:
            if module not in self._pending:
                self._pending.add(module)
                self._ready.notify()

    def _run(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._pending)
                modules, self._pending = sorted(self._pending), set()
            try:
                self._send(modules)
                time.sleep(self._debounce)
            except Exception as error:  # the thread must outlive whatever happens to Redis
                log.warning("bus.wake_failed", error=repr(error))
                time.sleep(PATIENCE)


_waker: tuple[int, Waker] | None = None


def wake(module: str) -> None:
    """Let the relays look at ``module`` now. Returns at once and never raises."""
    global _waker
    url = wake_url()
    if not url:
        return
    if _waker is None or _waker[0] != os.getpid():  # threads do not survive a fork
        client = redis.Redis.from_url(url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
        _waker = (os.getpid(), Waker(lambda modules: _publish(client, modules)))
    _waker[1].wake(module)


def _publish(client: redis.Redis, modules: list[str]) -> None:
    client.publish(CHANNEL, ",".join(modules))


class Listener:
    """A relay's ear: waits for words, at most as long as the poll interval."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pubsub: redis.client.PubSub | None = None

    def wait(self, seconds: float) -> set[str]:
        """The modules named meanwhile, as soon as any is; empty after ``seconds``."""
        if not self._url:
            time.sleep(seconds)
            return set()
        try:
            return self._hear(seconds)
        except redis.RedisError as error:
            log.warning("bus.listen_failed", error=str(error))
            self.close()
            time.sleep(seconds)
            return set()

    def close(self) -> None:
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = None

    def _hear(self, seconds: float) -> set[str]:
        if self._pubsub is None:
            client = redis.Redis.from_url(self._url, socket_connect_timeout=PATIENCE)
            self._pubsub = client.pubsub(ignore_subscribe_messages=True)
            self._pubsub.subscribe(CHANNEL)
        message = self._pubsub.get_message(timeout=seconds)
        heard: set[str] = set()
        # After the first word take what else is there, without waiting for more.
        while message is not None:
            heard.update(message["data"].decode().split(","))
            message = self._pubsub.get_message(timeout=0)
        return heard
