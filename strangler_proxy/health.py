"""Active checks: every member of an upstream is asked whether it is ready, again and again.

A new member takes requests at once and is asked at once; its first answer decides alone, for
nothing is known yet. After that only so many equal answers in a row change the mind. Each check
makes its own connection: an instance that answers on an old one may have stopped to listen.
The whole check has one time limit, name lookup and body included, so that a peer that hangs or
drips is no different from one that is dead.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from contextlib import suppress

from strangler_proxy.balance import Balancer, Member
from strangler_proxy.config import Health, UpstreamTls
from strangler_proxy.discovery.polling import JITTER, Clock
from strangler_proxy.http_client import httpx
from strangler_proxy.wire.tls import client_context

log = logging.getLogger(__name__)

BODY_BYTES = 16_384  # of an answer that are read; the status counts, so the rest does not matter
UNIX = "unix:"

OnChange = Callable[[Member, bool, str], None]


class Checker:
    """Checks the members of one upstream while ``run`` runs, and tells its balancer.

    ``on_change(member, healthy, reason)`` is called for each change of mind, and it is logged.
    Call ``wake`` after the balancer took over new members; else they wait for one interval.
    """

    def __init__(
        self,
        balancer: Balancer,
        health: Health,
        *,
        rng: random.Random,
        clock: Clock,
        tls: UpstreamTls | None = None,
        on_change: OnChange | None = None,
    ) -> None:
        self._balancer = balancer
        self._health = health
        self._rng = rng
        self._clock = clock
        self._on_change = on_change
        self._scheme = "https" if tls else "http"
        self._server_name = tls.server_name if tls else None
        # Without TLS it stays unused, but httpx would load all authorities for its own.
        self._context = client_context(tls) if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be new members, and some may have gone."""
        self._woken.set()

    async def run(self) -> None:
        """Checks until it is cancelled."""
        watched: dict[Member, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                self._woken.clear()
                members = self._balancer.members
                for member in watched.keys() - set(members):
                    watched.pop(member).cancel()
                for member in members:
                    if member not in watched:
                        watched[member] = group.create_task(self._watch(member))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._health.interval_seconds):
                        await self._woken.wait()

    async def _watch(self, member: Member) -> None:
        """One check after the other, so that there are never two at once."""
        contrary = 0  # answers in a row that speak against what is believed
        async with self._client(member.address) as client:
            while True:
                reason = await self._check(client, member.address)
                _end_if_cancelled()
                contrary = self._judge(member, reason, contrary)
                pause = self._health.interval_seconds
                await asyncio.sleep(pause * self._rng.uniform(1 - JITTER, 1 + JITTER))

    def _judge(self, member: Member, reason: str, contrary: int) -> int:
        well = not reason
        if member.checked:
            if well == member.healthy:
                return 0
            contrary += 1
            if contrary < (self._health.healthy if well else self._health.unhealthy):
                return contrary
        changed = well != member.healthy
        self._balancer.mark(member, well, self._clock())
        if changed:
            self._tell(member, well, reason)
        return 0

    def _tell(self, member: Member, healthy: bool, reason: str) -> None:
        if healthy:
            log.info("upstream %s: %s is healthy again", self._balancer.name, member.address)
        else:
            log.warning(
                "upstream %s: %s is unhealthy: %s", self._balancer.name, member.address, reason
            )
        if self._on_change is not None:
            self._on_change(member, healthy, reason)

    async def _check(self, client: httpx.AsyncClient, address: str) -> str:
        """Why it is not well; empty when it is."""
        try:
            async with asyncio.timeout(self._health.timeout_seconds):
                return await self._ask(client, address)
        except (TimeoutError, httpx.TimeoutException):
            return f"no whole answer in {self._health.timeout_seconds:g} s"
        except Exception as error:  # whatever it is: it could not be asked
            return f"{type(error).__name__}: {error}"

    async def _ask(self, client: httpx.AsyncClient, address: str) -> str:
        place = "localhost" if address.startswith(UNIX) else address
        url = f"{self._scheme}://{place}{self._health.path}"
        extensions = {"sni_hostname": self._server_name} if self._server_name else {}
        async with client.stream("GET", url, extensions=extensions) as answer:
            if answer.status_code not in self._health.statuses:
                return f"{self._health.path} answered {answer.status_code}"
            read = 0
            async for data in answer.aiter_raw():
                read += len(data)
                if read > BODY_BYTES:
                    break
        return ""

    def _client(self, address: str) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(
            verify=self._context,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            uds=address.removeprefix(UNIX) if address.startswith(UNIX) else None,
        )
        headers = {"user-agent": "strangler-proxy", "accept-encoding": "identity"}
        host = self._health.host or self._server_name
        if host:
            headers["host"] = host
        return httpx.AsyncClient(
            transport=transport,
            timeout=self._health.timeout_seconds,
            trust_env=False,
            headers=headers,
        )


def _end_if_cancelled() -> None:
    """An error that comes in the same moment takes the cancellation's place (anyio's groups)."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
