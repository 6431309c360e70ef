"""A client that asks from many threads and takes every answer as it is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection

from tests.proxy.front import FrontDoor

PATIENCE = 10.0  # seconds for what a test waits for


@dataclass(frozen=True)
class Reply:
    """An answer; names of ``headers`` in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(
    port: int,
    method: str = "GET",
    target: str = "/",
    *,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request on a connection of its own. A body that is not bytes is sent in chunks."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    sent = dict(headers or {})
    chunked = body is not None and not isinstance(body, bytes)
    if chunked:
        sent["Transfer-Encoding"] = "chunked"
    begun = time.monotonic()
    try:
        connection.request(method, target, body=body, headers=sent, encode_chunked=chunked)
        answer = connection.getresponse()
        content = answer.read()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, fields, content, time.monotonic() - begun)
    finally:
        connection.close()


class Crowd:
    """Asks in the background."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def ask(
        self,
        port: int,
        method: str = "GET",
        target: str = "/",
        *,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Future[Reply]:
        """As ``ask``, without waiting."""
        return self._pool.submit(ask, port, method, target, body=body, headers=headers)


@contextmanager
def crowd(size: int = 16) -> Iterator[Crowd]:
    """So many clients at once; all are done when the block ends."""
    with ThreadPoolExecutor(size) as pool:
        yield Crowd(pool)


def patch(door: FrontDoor, capability: str, **change: object) -> None:
    """Change a capability, as the control plane does."""
    answer = door.admin("PATCH", f"/-/capabilities/{capability}", json=change)
    assert answer.status_code == 200, answer.text


def members(door: FrontDoor, upstream: str) -> dict[str, dict[str, object]]:
    """The instances of an upstream as the door sees them, by address."""
    shown = door.admin("GET", "/-/upstreams").json()["upstreams"][upstream]["members"]
    return {one["address"]: one for one in shown}
