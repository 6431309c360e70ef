"""What a call of another host costs beside a bare httpx call of the same bytes, in the same run.

    python -m tests.benchmarks.bench_rpc [--calls 300] [--rounds 15] [--profile]

Both go to the same process of granian and through the same Django with the same middleware, over
one connection that stays open. The bare one posts the arguments' bytes and gets the answer's bytes
back. The call does all that a call is: choice of an instance, breaker, bulkhead, a signed token for
these very bytes, its verification, the memory of used tokens in Redis, the codec both ways. Rounds
of the two alternate, the first of each pair in turn; what counts is the median of their ratios. The
bound is 1.3; exit code 1 when the call costs more.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from modules.platform.databases import embedded
from tests.benchmarks import children, cpu
from tests.benchmarks.children import Child
from tests.ports import free_port

BOUND = 1.3  # times the bare call
WARM = 200  # calls of each before the first round
CALLER = "shop"

Call = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Microseconds of one call: on the wall, of this process's CPU, of the server's."""

    wall: float
    client: float
    server: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two rounds, one right after the other."""

    bare: Round
    call: Round


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=300, help="in a round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", action="store_true", help="where the caller's time goes")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ficus-bench-") as home, running(Path(home)) as host:
        bare, call = contestants(Path(home), host)
        for each in (bare, call):
            measure(each, WARM, host)
        if chosen.profile:
            return show_profile(call, chosen.calls)
        pairs = [pair(bare, call, chosen.calls, host, index) for index in range(chosen.rounds)]
    return show(pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The running server."""

    child: Child
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(home: Path) -> Iterator[Host]:
    """A server of this host's own, with a Redis of its own; stopped afterwards."""
    home.chmod(0o755)
    port = free_port()
    trust = f"{CALLER}={home / 'keys'}"
    # No database is asked: the implementation does nothing.
    os.environ |= {"DATABASE_URL": "postgresql:///unused", "FICUS_HOME": str(home)}
    os.environ |= {"REDIS_URL": embedded.ensure_redis(home).url, "LOG_LEVEL": "WARNING"}
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--factory"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--no-ws", "--log-level", "warning", "tests.benchmarks.rpc_host:application"),
    ]
    child = children.start("host", command, {"BENCH_TRUST": trust}, home / "logs")
    try:
        children.wait_until_up([child], port, "/livez")
        yield Host(child=child, port=port)
    finally:
        children.stop([child])
        embedded.stop_redis(home)


def contestants(home: Path, host: Host) -> tuple[Call, Call]:
    """The bare call, and the call of a module; both are checked once."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.settings")
    import django

    django.setup()
    from modules.platform.binding import route, use
    from modules.platform.contracts import deadline_in
    from modules.platform.contracts.codec import encode
    from modules.platform.discovery import LeastLoaded, StaticSource
    from modules.platform.keys import KeyRing
    from modules.platform.rpc import Calls, RemoteRoute
    from tests.benchmarks.rpc_host import ANSWER, COMMAND, Probe

    calls = Calls(issuer=CALLER, keys=KeyRing(home / "keys"))
    chooser = LeastLoaded(StaticSource({"probe": [host.url]}))
    route(Probe, RemoteRoute(chooser, made_by=lambda: calls))
    body = encode({"command": COMMAND})
    client = httpx.Client(headers={"Content-Type": "application/json"})
    url = f"{host.url}/bare"

    def bare() -> bytes:
        return client.post(url, content=body).content

    def call() -> object:
        with deadline_in(timedelta(seconds=30)):
            return use(Probe).place(COMMAND)

    if bare() != encode(ANSWER) or call() != ANSWER:
        raise SystemExit("the two did not give the same answer")
    return bare, call


def measure(call: Call, times: int, host: Host) -> Round:
    """``times`` calls, one after another."""
    server = cpu.read().tree(host.child.process.pid)
    client, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        call()
    wall, client = time.perf_counter() - wall, time.process_time() - client
    server = cpu.read().tree(host.child.process.pid) - server
    return Round(wall=wall / times * 1e6, client=client / times * 1e6, server=server / times * 1e6)


def pair(bare: Call, call: Call, times: int, host: Host, index: int) -> Pair:
    """One round of each; who goes first changes."""
    if index % 2:
        second, first = measure(call, times, host), measure(bare, times, host)
    else:
        first, second = measure(bare, times, host), measure(call, times, host)
    return Pair(bare=first, call=second)


def show(pairs: list[Pair]) -> int:
    """Print the medians; 1 when the bound is missed."""
    lines = [f"{'us per call':26}{'wall':>9}{'client CPU':>12}{'server CPU':>12}"]
    for name in ("bare", "call"):
        rounds = [getattr(each, name) for each in pairs]
        middle = [statistics.median(getattr(r, w) for r in rounds) for w in Round.__slots__]
        title = {"bare": "httpx, the same bytes", "call": "use(Port).method()"}[name]
        lines.append(f"{title:26}{middle[0]:9.0f}{middle[1]:12.0f}{middle[2]:12.0f}")
    ratio = statistics.median(each.call.wall / each.bare.wall for each in pairs)
    spent = statistics.median(
        (each.call.client + each.call.server) / (each.bare.client + each.bare.server)
        for each in pairs
    )
    lines.append(f"ratio of neighbouring rounds, wall {ratio:.2f}, CPU of both sides {spent:.2f}")
    lines.append(f"bound: wall {BOUND:.2f}")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(ratio > BOUND)


def show_profile(call: Call, times: int) -> int:
    """The caller's functions by their own time."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(times):
        call()
    profile.disable()
    pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(35)
    return 0


if __name__ == "__main__":
    sys.exit(main())
