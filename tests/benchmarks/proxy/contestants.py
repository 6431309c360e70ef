"""Who takes part, how each is started, and what it does in its two shapes.

``bare`` is one prefix route to one upstream with kept connections. ``full`` is all that this
proxy can of: token verified, sticky canary of 25 %, rate limit by identity, retry, bounded
concurrency, breaker or outlier ejection, active health checks, deadline, access log to a file.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypedDict

from tests.benchmarks import children
from tests.benchmarks.children import Child
from tests.benchmarks.client import Connection
from tests.benchmarks.proxy import machine
from tests.benchmarks.proxy.arena import DOCUMENTS, Arena, fill
from tests.ports import free_port

OURS = "ficus"  # the compiled build, which the run makes if there is none
OURS_PLAIN = "ficus uncompiled"  # the same sources, as a fresh clone runs them
PATIENCE = 20.0  # seconds for a contestant to answer


class Shape(StrEnum):
    BARE = "bare"
    FULL = "full"
    HUNG = "full, mirror hung"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """``command`` and ``document`` are forms; ``algorithm`` is that of the tokens it is sent."""

    proxy: str
    shape: Shape = Shape.BARE
    document: str = ""
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    algorithm: str = ""  # none: it sees the name in X-User, and believes it
    log: str = ""  # of accesses
    without: str = ""  # what full lacks here

    @property
    def name(self) -> str:
        return f"{self.proxy} {self.shape}"


class _Started(TypedDict):
    command: tuple[str, ...]
    env: Mapping[str, str]


_ACCESS = "@{home}/@{name}-access.log"
_NGINX: _Started = {"command": ("@{nginx}", "-e", "stderr", "-c", "@{document}"), "env": {}}
_HAPROXY: _Started = {"command": ("@{haproxy}", "-db", "-f", "@{document}"), "env": {}}
_ENVOY: _Started = {
    "command": (
        *("@{envoy}", "-c", "@{document}", "--concurrency", "1", "--disable-hot-restart"),
        *("--log-level", "error", "--file-flush-interval-msec", "1000"),
    ),
    "env": {},
}
_TRAEFIK = (
    *("@{traefik}", "--entrypoints.door.address=127.0.0.1:@{port}"),
    *("--providers.file.filename=@{document}", "--providers.file.watch=false"),
    *("--log.level=ERROR", "--global.checknewversion=false", "--global.sendanonymoususage=false"),
)
_LOGGED = (
    *(f"--accesslog.filepath={_ACCESS}", "--accesslog.format=json"),
    "--accesslog.bufferingsize=100",
)
_CADDY: _Started = {
    "command": ("@{caddy}", "run", "--adapter", "caddyfile", "--config", "@{document}"),
    "env": {"XDG_DATA_HOME": "@{home}/caddy", "XDG_CONFIG_HOME": "@{home}/caddy"},
}
_OURS: _Started = {
    "command": ("@{python}", "-m", "strangler_proxy", "--config", "@{document}"),
    "env": {},
}
_PLAIN: _Started = {**_OURS, "env": {"STRANGLER_PROXY_COMPILED": "off"}}
_PAIR = {"UPSTREAM": "127.0.0.1:@{monolith}", "PORT": "@{port}", "PYTHONPATH": str(children.ROOT)}
_ASGI = "tests.benchmarks.proxy.pairs"
_UVICORN = (
    *("@{peers_python}", "-m", "uvicorn", "--host", "127.0.0.1", "--port", "@{port}"),
    *("--loop", "uvloop", "--http", "httptools", "--lifespan", "on", "--no-access-log"),
    *("--log-level", "warning", "--no-server-header", "--backlog", "4096"),
)
_GRANIAN = (
    *("@{peers_python}", "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1"),
    *("--port", "@{port}", "--loop", "uvloop", "--workers", "1", "--no-access-log"),
    *("--log-level", "warning", "--http", "1", "--backlog", "4096"),
)

OURS_ALL = (
    Contestant(proxy=OURS, document="ours-bare.yaml", **_OURS),
    Contestant(
        proxy=OURS,
        shape=Shape.FULL,
        document="ours-full.yaml",
        algorithm="EdDSA",
        log=_ACCESS,
        **_OURS,
    ),
    Contestant(
        proxy=OURS,
        shape=Shape.HUNG,
        document="ours-full.yaml",
        algorithm="EdDSA",
        log=_ACCESS,
        **_OURS,
    ),
    Contestant(proxy=OURS_PLAIN, document="ours-bare.yaml", **_PLAIN),
    Contestant(
        proxy=OURS_PLAIN,
        shape=Shape.FULL,
        document="ours-full.yaml",
        algorithm="EdDSA",
        log=_ACCESS,
        **_PLAIN,
    ),
)
PEERS = (
    Contestant(proxy="nginx", document="nginx-bare.conf", **_NGINX),
    Contestant(
        proxy="nginx",
        shape=Shape.FULL,
        document="nginx-full.conf",
        log=_ACCESS,
        without="tokens, active health checks, breaker, queue, retry budget",
        **_NGINX,
    ),
    Contestant(proxy="haproxy", document="haproxy-bare.cfg", **_HAPROXY),
    Contestant(
        proxy="haproxy",
        shape=Shape.FULL,
        document="haproxy-full.cfg",
        algorithm="RS256",  # it knows no EdDSA
        log="@{home}/logs/@{name}.log",
        without="a memory for verified tokens, retry budget",
        **_HAPROXY,
    ),
    Contestant(proxy="envoy", document="envoy-bare.yaml", **_ENVOY),
    Contestant(
        proxy="envoy",
        shape=Shape.FULL,
        document="envoy-full.yaml",
        algorithm="EdDSA",
        log=_ACCESS,
        without="nothing; its canary believes X-User",
        **_ENVOY,
    ),
    Contestant(proxy="traefik", document="traefik-bare.yaml", command=_TRAEFIK),
    Contestant(
        proxy="traefik",
        shape=Shape.FULL,
        document="traefik-full.yaml",
        command=(*_TRAEFIK, *_LOGGED),
        log=_ACCESS,
        without="tokens, sticky canary (it takes turns), bulkhead, retry budget",
    ),
    Contestant(proxy="caddy", document="caddy-bare.caddyfile", **_CADDY),
    Contestant(
        proxy="caddy",
        shape=Shape.FULL,
        document="caddy-full.caddyfile",
        log=_ACCESS,
        without="tokens, rate limit, sticky canary (it takes turns), breaker, retry budget",
        **_CADDY,
    ),
)
PAIRS = (
    Contestant(
        proxy="starlette + httpx",
        command=(*_UVICORN, f"{_ASGI}.starlette_httpx:app"),
        env=_PAIR,
    ),
    Contestant(
        proxy="aiohttp + aiohttp",
        command=("@{peers_python}", "-m", f"{_ASGI}.aiohttp_both"),
        env=_PAIR,
    ),
    Contestant(
        proxy="uvicorn + aiohttp",
        command=(*_UVICORN, f"{_ASGI}.asgi_aiohttp:app"),
        env=_PAIR,
    ),
    Contestant(
        proxy="granian + aiohttp",
        command=(*_GRANIAN, f"{_ASGI}.asgi_aiohttp:app"),
        env=_PAIR,
    ),
)
# By the interpreter and the event loop that ours has: what it adds to this is its own.
CEILING = Contestant(
    proxy="uvloop splice", command=("@{python}", "-m", f"{_ASGI}.splice"), env=_PAIR
)
ALL = (*OURS_ALL, *PEERS, *PAIRS, CEILING)


@dataclass(frozen=True, slots=True)
class Running:
    """A contestant that answers on ``port``; ``log`` is the file of its accesses, or empty."""

    contestant: Contestant
    child: Child
    port: int
    log: str

    @property
    def name(self) -> str:
        return self.contestant.name


def start(contestant: Contestant, arena: Arena, **other: str) -> Running:
    """Start it on its core and wait until it answers. Raises DidNotRun."""
    port = free_port()
    name = contestant.name.replace(" ", "-").replace(",", "")
    mirror = "{upstream: hung, percent: 100}" if contestant.shape is Shape.HUNG else "null"
    values = {
        **arena.values,
        "name": name,
        "port": str(port),
        "admin": str(free_port()),
        "mirror": mirror,
        **other,
    }
    if contestant.document:
        path = arena.home / f"{name}{DOCUMENTS.joinpath(contestant.document).suffix}"
        path.write_text(fill((DOCUMENTS / contestant.document).read_text(), values))
        values["document"] = str(path)
    command = machine.pinned(arena.cores.proxy, [fill(part, values) for part in contestant.command])
    env = {key: fill(value, values) for key, value in contestant.env.items()}
    child = children.start(name, command, env, arena.logs)
    running = Running(contestant, child, port, fill(contestant.log, values))
    try:
        _wait_until_up(running, arena)
    except BaseException:
        children.stop([child])
        raise
    return running


def headers(contestant: Contestant, arena: Arena, number: int = 0) -> dict[str, str]:
    """What the person of this number sends to this contestant."""
    if contestant.shape is Shape.BARE:
        return {}
    person = arena.people[number]
    if not contestant.algorithm:
        return {"X-User": person.name}
    return person.headers(contestant.algorithm)


def _wait_until_up(running: Running, arena: Arena) -> None:
    """An open port is not enough: Traefik reads its routes after it has opened it."""
    until = time.monotonic() + PATIENCE
    lines = "".join(f"{n}: {v}\r\n" for n, v in headers(running.contestant, arena).items())
    connection = Connection(running.port)
    seen = "no answer"
    while time.monotonic() < until:
        running.child.require_alive()
        try:
            status, body = connection.request("GET", "/api/small", headers=lines)
        except OSError as error:
            seen = str(error)
        else:
            if status == 200:
                return connection.close()
            seen = f"{status} {body[:300]!r}"
        time.sleep(0.1)
    last = children.tail(running.child.log)
    raise children.DidNotRun(f"{running.name} is not up after {PATIENCE:.0f} s: {seen}\n{last}")
