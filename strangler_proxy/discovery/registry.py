"""A registry elsewhere, asked over HTTP: ``{"instances": [{"address": "10.0.0.7:8000"}, ...]}``."""

from __future__ import annotations

import asyncio
import random
import ssl

import msgspec

from strangler_proxy import config
from strangler_proxy.config import Instance
from strangler_proxy.discovery.announcement import Announcement, to_instances
from strangler_proxy.discovery.polling import Clock, NoList, Publish, State, poll
from strangler_proxy.http_client import httpx

ANSWER_BYTES = 1 << 20  # about 10,000 instances
ANSWER_SECONDS = 5.0  # for the whole answer, so that one that drips ends too


class Listing(msgspec.Struct, frozen=True):
    """The answer of a registry. What else it says is not looked at."""

    instances: tuple[Announcement, ...]


class RegistryClient:
    """Asks a registry again and again, with ETag and If-None-Match.

    An answer with one wrong instance is not believed at all. One without any instance is
    believed when nothing else was said for ``ttl_seconds``: a registry that has just been
    restarted knows nobody until the next heartbeats.
    """

    def __init__(
        self,
        upstream: str,
        rules: config.Registry,
        *,
        rng: random.Random,
        clock: Clock,
    ) -> None:
        self._url = rules.url or ""
        self.state = State(upstream, f"registry {self._url}", clock)
        self._rules = rules
        self._rng = rng
        self._clock = clock
        self._decoder = msgspec.json.Decoder(Listing)
        self._etag = ""
        self._last: tuple[Announcement, ...] = ()
        self._empty_since: float | None = None

    async def run(self, publish: Publish) -> None:
        """Publishes what changed, until it is cancelled."""
        async with _client(self._url) as client:

            async def ask() -> tuple[Instance, ...]:
                return self._believe(await self._ask(client))

            await poll(ask, publish, self.state, self._rules.refresh_seconds, self._rng)

    async def _ask(self, client: httpx.AsyncClient) -> tuple[Announcement, ...]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._fetch(client)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise NoList(f"{self._url} gave no whole answer in {ANSWER_SECONDS:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NoList(f"{self._url} cannot be asked: {type(error).__name__} {error}") from error
        except ValueError as error:
            raise NoList(f"{self._url} answered what is no list: {error}") from error

    async def _fetch(self, client: httpx.AsyncClient) -> tuple[Announcement, ...]:
        headers = {"if-none-match": self._etag} if self._etag else {}
        async with client.stream("GET", self._url, headers=headers) as answer:
            if answer.status_code == 304 and self._etag:
                return self._last
            if answer.status_code != 200:
                raise NoList(f"{self._url} answered {answer.status_code}")
            body = bytearray()
            async for data in answer.aiter_raw():
                body += data
                if len(body) > ANSWER_BYTES:
                    raise NoList(f"{self._url} answered more than {ANSWER_BYTES} bytes")
            listing = self._decoder.decode(body)
            self._last, self._etag = listing.instances, answer.headers.get("etag", "")
            return self._last

    def _believe(self, announced: tuple[Announcement, ...]) -> tuple[Instance, ...]:
        now = self._clock()
        if announced:
            self._empty_since = None
            return to_instances(announced, self._rules.role)
        if self._empty_since is None:
            self._empty_since = now
        if now - self._empty_since < self._rules.ttl_seconds:
            raise NoList(
                f"{self._url} knows no instance; believed after {self._rules.ttl_seconds:g} s"
            )
        return ()


def _client(url: str) -> httpx.AsyncClient:
    # The system's authorities, not httpx's own; and none are loaded where there is no TLS.
    secure = url.startswith("https:")
    context = ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    headers = {"user-agent": "strangler-proxy", "accept-encoding": "identity"}
    return httpx.AsyncClient(
        verify=context, trust_env=False, timeout=ANSWER_SECONDS, headers=headers
    )
