"""Pooled HTTP for providers, on ``http.client``, with a breaker.

A provider that hangs takes a thread for as long as a call may last, and a process has few of them:
soon nobody would be served who wants nothing of it. So after enough calls in vain it is left alone
for a while, which is the same to whoever asks as one that cannot be reached.

Measured per call against the stand-in (CPU of the client): http.client 0.07 ms, urllib3 0.17 ms,
httpx 0.29 ms; a call is made for every order, so the plainest wins.
"""

from __future__ import annotations

import os
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from modules.payment.providers.errors import AnswerLost, NotSent, ProviderError
from modules.platform.resilience import BreakerPolicy, CircuitBreaker, CircuitOpen

CONNECT_LIMIT = 2.0  # seconds; a provider that takes longer to greet will not answer in time
IDLE_LIMIT = 20.0  # seconds; below the usual 60 after which servers hang up
MAX_IDLE = 32
# A web process of four threads, each of which waits 4 s for a hanging provider, has its ten calls
# in vain after 12 s. One in three that fails is a provider in trouble, and still worth asking.
TRUST = BreakerPolicy(window=30.0, minimum=10, ratio=0.5, rest=5.0, probes=3)
TELLING = 1.0  # seconds; to have had less time than that for an answer says nothing of a provider


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; ``body`` is read whole."""

    status: int
    body: bytes


class HttpPool:
    """Connections to one address, shared by threads, each used by one call at a time."""

    def __init__(self, base: str, *, headers: Mapping[str, str]) -> None:
        place = urlsplit(base)
        self._host, self._port = place.hostname or "", place.port
        self._tls = ssl.create_default_context() if place.scheme == "https" else None
        self._prefix = place.path.rstrip("/")
        self._headers = dict(headers)
        self._idle: deque[tuple[HTTPConnection, float]] = deque()
        self._breaker = CircuitBreaker(self._host, TRUST)
        # A child of fork() must not share its parent's connections.
        os.register_at_fork(after_in_child=self._idle.clear)

    def send(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One call within ``timeout`` seconds. Raises NotSent and AnswerLost.

        A kept connection that the server has closed is replaced once: the call is repeated, which
        is safe because it reads, or carries an idempotency key. NotSent at once while the breaker
        is open.
        """
        try:
            ticket = self._breaker.enter()
        except CircuitOpen as error:
            raise NotSent(str(error)) from error
        in_vain: bool | None = None  # whether the provider is to blame, as far as one can say
        try:
            reply = self._send(method, path, timeout, body, self._headers | dict(headers or {}))
            in_vain = reply.status >= 500
        except ProviderError:
            in_vain = True if timeout >= TELLING else None
            raise
        finally:
            if in_vain is None:
                self._breaker.forget(ticket)
            else:
                self._breaker.leave(ticket, failed=in_vain)
        return reply

    def _send(
        self, method: str, path: str, timeout: float, body: bytes | None, given: dict[str, str]
    ) -> Reply:
        end = time.monotonic() + timeout
        kept = self._kept()
        if kept is not None:
            try:
                return self._exchange(kept, end, method, path, body, given)
            except _Broken:
                pass
        return self._exchange(self._connect(end), end, method, path, body, given)

    def _kept(self) -> HTTPConnection | None:
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:  # another thread was faster
                return None
            if time.monotonic() - since < IDLE_LIMIT:
                return connection
            connection.close()
        return None

    def _connect(self, end: float) -> HTTPConnection:
        limit = max(0.001, min(CONNECT_LIMIT, end - time.monotonic()))
        if self._tls is None:
            connection = HTTPConnection(self._host, self._port, timeout=limit)
        else:
            connection = HTTPSConnection(self._host, self._port, timeout=limit, context=self._tls)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise NotSent(f"{self._host}: {error}") from error
        return connection

    def _exchange(
        self,
        connection: HTTPConnection,
        end: float,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Reply:
        try:
            connection.sock.settimeout(max(0.001, end - time.monotonic()))
            connection.request(method, self._prefix + path, body, headers)
            connection.sock.settimeout(max(0.001, end - time.monotonic()))
            answer = connection.getresponse()
            reply = Reply(answer.status, answer.read())
        except TimeoutError as error:
            connection.close()
            raise AnswerLost(f"{self._host} did not answer in time") from error
        except (OSError, HTTPException) as error:
            connection.close()
            raise _Broken(f"{self._host}: {error!r}") from error
        if answer.will_close or len(self._idle) >= MAX_IDLE:
            connection.close()
        else:
            self._idle.append((connection, time.monotonic()))
        return reply


class _Broken(AnswerLost):
    """The connection ended before the answer was whole."""
