"""Nobody is measured before its answers are the upstream's and its features do something."""

from __future__ import annotations

import hashlib
import http.client
import time
from dataclasses import dataclass
from pathlib import Path

from strangler_proxy.native import LIBRARY
from tests.benchmarks.children import DidNotRun
from tests.benchmarks.proxy.arena import LARGE, Arena
from tests.benchmarks.proxy.contestants import OURS, OURS_PLAIN, Running, Shape, headers
from tests.benchmarks.proxy.wrk import KINDS, Kind

CANARY = (0.15, 0.35)  # of 256 people; 25 % with five standard deviations to either side
LOGGED = 15.0  # seconds until a line must be in the file of accesses


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    kind: str
    body: bytes
    side: str  # which of the upstream's two ports answered


def verify(running: Running, arena: Arena) -> None:
    """Raises DidNotRun, naming what differs."""
    _compiled(running)
    door = _Client(running.port)
    for kind in KINDS:
        _same(running, arena, door, kind)
    _whole(running, arena, door)
    if running.contestant.shape is not Shape.BARE:
        _canary(running, arena, door)
        if running.contestant.algorithm:
            _tokens(running, arena, door)
        _logged(running)
    door.close()


def _compiled(running: Running) -> None:
    """Ours runs compiled if it is measured as that, and only then."""
    proxy = running.contestant.proxy
    if proxy not in (OURS, OURS_PLAIN):
        return
    maps = Path(f"/proc/{running.child.process.pid}/maps").read_text()
    if (LIBRARY in maps) != (proxy == OURS):
        raise DidNotRun(f"{running.name} does not run the modules that it is measured with")


class _Client:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10.0)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        self._connection.request(method, path, body or None, headers)
        answer = self._connection.getresponse()
        read = answer.read()
        kind, side = answer.headers.get("Content-Type", ""), answer.headers.get("X-Side", "")
        return Answer(answer.status, kind, read, side)

    def close(self) -> None:
        self._connection.close()


def _same(running: Running, arena: Arena, door: _Client, kind: Kind) -> None:
    body = b"b" * kind.sent
    upstream = _Client(arena.upstream_port)
    wanted = upstream.ask(kind.method, kind.path, {}, body)
    upstream.close()
    seen = door.ask(kind.method, kind.path, headers(running.contestant, arena), body)
    if (seen.status, seen.kind, seen.body) != (wanted.status, wanted.kind, wanted.body):
        raise DidNotRun(
            f"{running.name} answers {kind.name} with {seen.status} {seen.kind} and "
            f"{len(seen.body)} bytes {seen.body[:200]!r}, the upstream with {wanted.status} "
            f"{wanted.kind} and {len(wanted.body)} bytes"
        )


def _whole(running: Running, arena: Arena, door: _Client) -> None:
    body = bytes(range(256)) * (LARGE // 256)
    seen = door.ask("POST", "/api/digest", headers(running.contestant, arena), body)
    if seen.body.decode() != hashlib.sha256(body).hexdigest():
        raise DidNotRun(f"{running.name} does not send a body of {LARGE} bytes on whole")


def _canary(running: Running, arena: Arena, door: _Client) -> None:
    people = range(len(arena.people))
    sides = [
        door.ask("GET", "/api/small", headers(running.contestant, arena, n)).side for n in people
    ]
    share = sides.count("service") / len(sides)
    if not CANARY[0] <= share <= CANARY[1]:
        raise DidNotRun(f"{running.name} sends {share:.0%} to the canary, not a quarter")


def _tokens(running: Running, arena: Arena, door: _Client) -> None:
    good = headers(running.contestant, arena)
    token = good["Authorization"]
    middle = len(token) - 40  # within the signature
    forged = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    for what, sent in (
        ("no token", {"X-User": good["X-User"]}),
        ("a forged one", good | {"Authorization": forged}),
    ):
        seen = door.ask("GET", "/api/small", sent)
        if seen.status != 401:
            raise DidNotRun(f"{running.name} answers {seen.status} to {what}, not 401")


def _logged(running: Running) -> None:
    until = time.monotonic() + LOGGED
    path = Path(running.log)
    while not (path.exists() and b"/api/small" in path.read_bytes()):
        if time.monotonic() > until:
            raise DidNotRun(f"{running.name} wrote no line about /api/small into {path}")
        time.sleep(0.1)
