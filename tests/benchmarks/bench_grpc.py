"""What a call over gRPC costs beside the same call over HTTP, and beside a bare httpx call.

    python -m tests.benchmarks.bench_grpc [--calls 300] [--rounds 15]

Three of the same command and answer, in one run: httpx posting the bytes and nothing else, a call
by ``RemoteRoute``, and a call by ``GrpcRoute``. The first two go to one process of granian, the
third to one process of ``GrpcServer``; all do the same nothing, with the same Redis for used
tokens. Rounds alternate in a changing order, and what counts is the median of the ratios of
neighbouring rounds. Both calls are the whole of a call: instance, breaker, bulkhead, a signed token
for these very bytes, its verification, messages both ways. The bound: over gRPC at most 2.0 times
the call over HTTP; exit code 1 when it costs more. HTTP's codec is C, gRPC's messages are filled
and read field by field in Python: this says what the choice of gRPC costs, not that it is faster.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.benchmarks import bench_rpc, children
from tests.benchmarks.bench_rpc import Call, Host, Round, measure

BOUND = 2.0  # times the call over HTTP
TITLES = {"bare": "httpx, the same bytes", "http": "a call over HTTP", "grpc": "a call over gRPC"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=300, help="in a round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        return serve(chosen.serve)
    with tempfile.TemporaryDirectory(prefix="ficus-bench-") as name:
        home = Path(name)
        with bench_rpc.running(home) as http, running(home) as grpc:
            contestants = made(home, http, grpc)
            for call, host in contestants.values():
                measure(call, bench_rpc.WARM, host)
            rounds = [one_of_each(contestants, chosen.calls, at) for at in range(chosen.rounds)]
    return show(rounds)


def one_of_each(contestants: dict[str, tuple[Call, Host]], times: int, at: int) -> dict[str, Round]:
    """A round of each; who goes first changes."""
    names = list(contestants)
    first = at % len(names)
    return {
        name: measure(contestants[name][0], times, contestants[name][1])
        for name in names[first:] + names[:first]
    }


@contextmanager
def running(home: Path) -> Iterator[Host]:
    """The gRPC server, in a process of its own, beside the one for HTTP (which has the Redis)."""
    port = children.free_port()
    command = [sys.executable, "-m", "tests.benchmarks.bench_grpc", "--serve", str(port)]
    child = children.start("grpc", command, {"BENCH_TRUST": f"shop={home / 'keys'}"}, home / "logs")
    try:
        yield Host(child=child, port=port)
    finally:
        children.stop([child])


def as_contract() -> None:
    """What ``Probe`` speaks of stands in its contract from now on: else it has no messages."""
    from tests.benchmarks import rpc_host

    for cls in (rpc_host.Line, rpc_host.Place, rpc_host.Placed):
        cls.__module__ = "modules.probe.contract.types"
    sys.modules["modules.probe.contract.types"] = rpc_host
    sys.modules["modules.probe.contract.port"] = rpc_host


def library():  # type: ignore[no-untyped-def]
    """The messages of ``Probe``."""
    from modules.platform.grpc_calls.messages.library import Library, committed
    from modules.platform.proto.files import file_from, file_of, text_of
    from tests.benchmarks.rpc_host import Probe

    probe = file_from("probe", (Probe,))
    return Library(
        files=lambda module: probe if module == "probe" else file_of(module),
        texts=lambda module: text_of(probe) if module == "probe" else committed(module),
    )


def serve(port: int) -> int:
    """The server's process, until SIGTERM."""
    as_contract()
    from tests.benchmarks.rpc_host import application

    application()
    from modules.platform.grpc_calls.server import GrpcServer

    server = GrpcServer(("probe",), threads=4, library=library())
    server.start(f"127.0.0.1:{port}")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop()
    return 0


def made(home: Path, http: Host, grpc: Host) -> dict[str, tuple[Call, Host]]:
    """The three, each checked once."""
    as_contract()
    bare, by_http = bench_rpc.contestants(home, http)
    from modules.platform.binding import methods_of
    from modules.platform.contracts import deadline_in
    from modules.platform.discovery import Instance, LeastLoaded
    from modules.platform.discovery.instances import Role
    from modules.platform.grpc_calls.channels import Channels
    from modules.platform.grpc_calls.route import GrpcRoute
    from modules.platform.keys import KeyRing
    from modules.platform.rpc import Calls
    from tests.benchmarks.rpc_host import ANSWER, COMMAND, Probe

    url = f"grpc://127.0.0.1:{grpc.port}"
    one = Instance(id="g", module="probe", url=http.url, role=Role.OWN, grpc_url=url)

    class Only:
        def instances(self, module: str) -> tuple[Instance, ...]:
            return (one,)

    calls = Calls(issuer=bench_rpc.CALLER, keys=KeyRing(home / "keys"))
    channels = Channels(max_bytes=calls.policy.max_bytes, library=library)
    way = GrpcRoute(
        LeastLoaded(Only()), made_by=lambda: calls, over=lambda: channels, library=library
    )
    place = way.caller(methods_of(Probe)["place"])

    def by_grpc() -> object:
        with deadline_in(timedelta(seconds=30)):
            return place(COMMAND)

    wait_until(by_grpc, grpc)
    if by_grpc() != ANSWER:
        raise SystemExit("gRPC did not give the same answer")
    return {"bare": (bare, http), "http": (by_http, http), "grpc": (by_grpc, grpc)}


def wait_until(call: Call, host: Host, tries: int = 100) -> None:
    """The server's process begins meanwhile."""
    import time

    for _ in range(tries):
        host.child.require_alive()
        try:
            call()
            return
        except Exception:
            time.sleep(0.2)
    call()


def show(rounds: list[dict[str, Round]]) -> int:
    """Print the medians; 1 when the bound is missed."""
    lines = [f"{'us per call':26}{'wall':>9}{'client CPU':>12}{'server CPU':>12}"]
    for name, title in TITLES.items():
        middle = [statistics.median(getattr(r[name], w) for r in rounds) for w in Round.__slots__]
        lines.append(f"{title:26}{middle[0]:9.0f}{middle[1]:12.0f}{middle[2]:12.0f}")

    def ratio(name: str, to: str) -> float:
        return statistics.median(one[name].wall / one[to].wall for one in rounds)

    beside = ratio("grpc", "http")
    lines.append(
        f"ratios of neighbouring rounds, wall: gRPC to HTTP {beside:.2f}, "
        f"gRPC to bare {ratio('grpc', 'bare'):.2f}, HTTP to bare {ratio('http', 'bare'):.2f}"
    )
    lines.append(f"bound: gRPC to HTTP {BOUND:.2f}")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(beside > BOUND)


if __name__ == "__main__":
    sys.exit(main())
