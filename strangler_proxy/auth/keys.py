"""The published keys that verify access tokens: read from a JWKS, again and again, and kept.

A source that fails changes nothing: the last good keys stay in force, and ``state`` says so.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import jwt

from strangler_proxy.config import Keys
from strangler_proxy.errors import Finding, KeysUnavailable, TableRefused

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

PAUSE = 3.0  # seconds between two readings: tokens with made-up kids must not become a flood there
TIMEOUT = 5.0  # seconds for one reading
MAX_BYTES = 1 << 20  # of a JWKS
RETRY = (1.0, 30.0)  # seconds after the first failure; doubled each time, up to the second
# By key type and curve. Symmetric keys have no place in a published set.
ALGORITHMS = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", ""): "RS256"}
MIN_RSA = 2048  # bits, RFC 7518 section 3.3


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key for one algorithm. Two are equal when they verify the same signatures."""

    algorithm: str
    text: str  # the JWK, canonical
    jwk: jwt.PyJWK = field(compare=False, repr=False)


KeySet = Mapping[str, PublishedKey]  # by kid


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysState:
    """Where a source stands, for metrics and the admin listener. Times are unix, 0 is never."""

    source: str
    kids: tuple[str, ...]
    read_at: float  # the last good reading
    failed_at: float  # the last failed one
    failures: int  # in a row
    error: str  # of the last reading; empty if it was good


def parse_keys(document: bytes) -> KeySet:
    """The usable keys of a JWKS: signing keys with a kid, of a public and known type.

    Raises KeysUnavailable when there is none.
    """
    try:
        entries = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeysUnavailable("it is not a JWKS: a JSON object with a list of keys") from error
    found = {}
    for entry in entries if isinstance(entries, list) else ():
        key = _parse_key(entry) if isinstance(entry, dict) else None
        if key is not None:
            found[str(entry["kid"])] = key
    if not found:
        raise KeysUnavailable("it has no EdDSA, ES256 or RS256 signing key with a kid")
    return found


def _parse_key(entry: dict[str, object]) -> PublishedKey | None:
    kind = (str(entry.get("kty")), str(entry.get("crv", "")))
    algorithm = ALGORITHMS.get(kind)
    usable = (
        algorithm is not None
        and isinstance(entry.get("kid"), str)
        and entry.get("use", "sig") == "sig"
        and "verify" in str(entry.get("key_ops", "verify"))
        and entry.get("alg", algorithm) == algorithm
    )
    if not usable:
        return None
    try:
        jwk = jwt.PyJWK(entry, algorithm)
    except Exception:  # PyJWT looks at few types before it uses them
        return None
    if algorithm == "RS256" and jwk.key.key_size < MIN_RSA:
        return None
    return PublishedKey(str(algorithm), json.dumps(entry, sort_keys=True), jwk)


class KeySource:
    """Reads a JWKS every ``refresh_seconds``, and soon after ``ask``. ``run`` does the reading.

    ``keys`` is empty until the first good reading; it is replaced, never changed, and only when
    what is published differs. Raises TableRefused for settings that name no source.
    """

    def __init__(
        self,
        settings: Keys,
        *,
        client: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
        on_failed: Callable[[], None] = lambda: None,
        pause: float = PAUSE,
    ) -> None:
        _check(settings)
        self.keys: KeySet = {}
        self._settings = settings
        self._client = client
        self._own_client: httpx.AsyncClient | None = None  # kept: making one takes 20 ms
        self._clock = clock
        self._pause = pause
        self._random = random or Random()  # noqa: S311 (spreads load)
        self._asked = asyncio.Event()
        self._settled = asyncio.Event()  # clear: a reading is due now or under way
        self._tried_at = 0.0
        self._read_at = self._failed_at = 0.0
        self._failures = 0
        self._on_failed = on_failed
        self._error = ""

    @property
    def source(self) -> str:
        """Where the keys come from, without credentials."""
        if self._settings.url is None:
            return str(self._settings.file)
        from strangler_proxy.http_client import httpx

        return str(httpx.URL(self._settings.url).copy_with(username=None, password=None))

    @property
    def state(self) -> KeysState:
        return KeysState(
            source=self.source,
            kids=tuple(self.keys),
            read_at=self._read_at,
            failed_at=self._failed_at,
            failures=self._failures,
            error=self._error,
        )

    def ask(self) -> None:
        """Read again soon: now, or a pause after the last reading. Costs nothing if repeated."""
        if not self._asked.is_set():
            self._asked.set()
            if self._clock() - self._tried_at >= self._pause:
                self._settled.clear()

    async def settled(self, seconds: float = 1.0) -> None:
        """Wait for a reading that is due now or under way, at most so long; else return at once.

        For a request whose token names a new key: ask, wait here, and look again.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._settled.wait()
        except TimeoutError:
            return

    async def run(self) -> None:
        """Read now and go on reading, until cancelled."""
        while True:
            await self.read()
            await self._rest()

    async def close(self) -> None:
        """Close what was opened for reading."""
        if self._own_client is not None:
            await self._own_client.aclose()
            self._own_client = None

    async def read(self) -> bool:
        """Read once; whether it was good. A failure is in ``state``."""
        self._asked.clear()
        self._settled.clear()
        try:
            keys = parse_keys(await self._fetch())
        except Exception as error:  # whatever it is: the old keys stay, and the reading goes on
            self._failed(error)
        else:
            self._accept(keys)
        finally:
            self._tried_at = self._clock()
            self._settled.set()
        return not self._error

    def _accept(self, keys: KeySet) -> None:
        if self._failures:
            log.info("keys: %s is read again after %d failures", self.source, self._failures)
        self._read_at, self._failures, self._error = self._clock(), 0, ""
        if keys != self.keys:
            told = (self.source, sorted(keys), sorted(self.keys))
            log.info("keys: %s publishes %s now, %s before", *told)
            self.keys = keys

    def _failed(self, error: Exception) -> None:
        self._error = str(error) or type(error).__name__
        self._failed_at = self._clock()
        self._failures += 1
        self._on_failed()
        if self._failures == 1:
            told = (self.source, self._error, len(self.keys))
            log.warning("keys: %s cannot be read: %s; %d known ones stay", *told)

    async def _rest(self) -> None:
        pause = self._settings.refresh_seconds * self._random.uniform(0.9, 1.0)
        if self._failures:
            pause = min(pause, RETRY[0] * 2 ** min(self._failures - 1, 10), RETRY[1])
        try:
            async with asyncio.timeout(pause):
                await self._asked.wait()
        except TimeoutError:
            return
        # The clock may have been set: never rest longer than the pause.
        left = self._tried_at + self._pause - self._clock()
        await asyncio.sleep(min(self._pause, max(0.0, left)))

    async def _fetch(self) -> bytes:
        async with asyncio.timeout(TIMEOUT):
            if self._settings.file is not None:
                return _limited(Path(self._settings.file).read_bytes())
            return await self._download(str(self._settings.url))

    async def _download(self, url: str) -> bytes:
        from strangler_proxy.http_client import httpx

        client = self._client or self._own_client
        if client is None:
            client = self._own_client = httpx.AsyncClient(timeout=TIMEOUT)
        headers = {"Accept": "application/jwk-set+json, application/json"}
        async with client.stream("GET", url, headers=headers) as answer:
            if answer.status_code != httpx.codes.OK:
                raise KeysUnavailable(f"it answered {answer.status_code}")
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                _limited(body)
        return bytes(body)


def _check(settings: Keys) -> None:
    place = "$.authentication.keys"
    if (settings.url is None) == (settings.file is None):
        raise TableRefused([Finding(path=place, reason="give either url or file")])
    if settings.url is not None:
        reason = _fault(settings.url)
        if reason:
            raise TableRefused([Finding(path=f"{place}.url", reason=reason)])


def _fault(url: str) -> str:
    from strangler_proxy.http_client import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        return str(error)
    good = parsed.scheme in ("http", "https") and parsed.host
    return "" if good else "write it so: https://host/path"


def _limited(document: bytes | bytearray) -> bytes:
    if len(document) > MAX_BYTES:
        raise KeysUnavailable(f"it is larger than {MAX_BYTES} bytes")
    return bytes(document)
