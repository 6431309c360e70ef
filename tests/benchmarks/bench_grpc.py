"""What a call over gRPC costs beside the same call over HTTP, and each beside its bare transport.

    python -m tests.benchmarks.bench_grpc [--calls 300] [--rounds 15]

Four of the same command and answer, in one run: httpx posting the bytes and nothing else, a bare
gRPC call of the same message, a call by ``RemoteRoute``, and a call by ``GrpcRoute``. Those over
HTTP go to one process of granian, the others to one process that has ``GrpcServer`` and a server of
grpcio's alone; all do the same nothing, with the same Redis for used tokens. Rounds alternate in a
changing order, and what counts is the median of the ratios of neighbouring rounds. Both calls are
the whole of a call: instance, breaker, bulkhead, a signed token for these very bytes, its
verification, messages both ways. The bound: over gRPC at most 2.0 times the call over HTTP; exit
code 1 when it costs more. On a machine that others use, the CPU of both sides is the figure to
trust. HTTP's codec is C, gRPC's messages are filled and read in Python: this says what the choice
of gRPC costs, not that it is faster.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks import bench_rpc, children
from tests.benchmarks.bench_rpc import Call, Host, Round, measure
from tests.ports import free_port

BOUND = 2.0  # times the call over HTTP
TITLES = {
    "bare": "httpx, the same bytes",
    "bare_grpc": "grpcio, the same message",
    "http": "a call over HTTP",
    "grpc": "a call over gRPC",
}
BARE = "/bare.Bare/Place"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=300, help="in a round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serve", type=int, nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        return serve(*chosen.serve)
    with tempfile.TemporaryDirectory(prefix="ficus-bench-") as name:
        home = Path(name)
        with bench_rpc.running(home) as http, running(home) as (grpc, bare):
            contestants = made(home, http, grpc, bare)
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
def running(home: Path) -> Iterator[tuple[Host, int]]:
    """The gRPC server, in a process of its own, beside the one for HTTP (which has the Redis); and
    the port of the bare one in the same process.
    """
    port, bare = free_port(), free_port()
    command = [sys.executable, "-m", "tests.benchmarks.bench_grpc", "--serve", f"{port}", f"{bare}"]
    child = children.start("grpc", command, {"BENCH_TRUST": f"shop={home / 'keys'}"}, home / "logs")
    try:
        yield Host(child=child, port=port), bare
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


def serve(port: int, bare: int) -> int:
    """The servers' process, until SIGTERM."""
    as_contract()
    from tests.benchmarks.rpc_host import application

    application()
    from modules.platform.grpc_calls.server import GrpcServer

    alone = bare_server(bare)
    server = GrpcServer(("probe",), threads=4, library=library())
    server.start(f"127.0.0.1:{port}")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop()
    alone.stop(None).wait()
    return 0


def bare_server(port: int):  # type: ignore[no-untyped-def]
    """Answers the answer's bytes, and looks at nothing."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    from tests.benchmarks.rpc_host import ANSWER

    data = messages().pack_answer(ANSWER)
    server = grpc.server(ThreadPoolExecutor(4))
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda body, context: data)
    service, method = BARE.strip("/").split("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server


def messages():  # type: ignore[no-untyped-def]
    """Of the one method."""
    from modules.platform.binding import methods_of
    from modules.platform.grpc_calls.messages.calls import MethodMessages
    from tests.benchmarks.rpc_host import Probe

    return MethodMessages(methods_of(Probe)["place"], library())


def made(home: Path, http: Host, grpc: Host, bare_port: int) -> dict[str, tuple[Call, Host]]:
    """The four, each checked once."""
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
    return {
        "bare": (bare, http),
        "bare_grpc": (bare_call(bare_port), grpc),
        "http": (by_http, http),
        "grpc": (by_grpc, grpc),
    }


def bare_call(port: int) -> Call:
    """Sends the command's message, and reads nothing. Checked once."""
    import grpc

    from tests.benchmarks.rpc_host import ANSWER, COMMAND

    known = messages()
    body = known.pack((COMMAND,), {})
    ask: Any = grpc.insecure_channel(f"127.0.0.1:{port}").unary_unary(BARE)
    if known.unpack_answer(ask(body, wait_for_ready=True, timeout=20)) != ANSWER:
        raise SystemExit("the bare server did not give the answer")
    return lambda: ask(body)


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

    for what, of in (("wall", lambda one: one.wall), ("CPU", lambda one: one.client + one.server)):
        pairs = (("grpc", "http"), ("grpc", "bare_grpc"), ("http", "bare"))
        said = ", ".join(f"{a} to {b} {ratio(rounds, a, b, of):.2f}" for a, b in pairs)
        lines.append(f"ratios of neighbouring rounds, {what}: {said}")
    beside = ratio(rounds, "grpc", "http", lambda one: one.wall)
    lines.append(f"bound: grpc to http, wall {BOUND:.2f}")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(beside > BOUND)


def ratio(
    rounds: list[dict[str, Round]], name: str, to: str, of: Callable[[Round], float]
) -> float:
    """The median of rounds next to each other."""
    return statistics.median(of(one[name]) / of(one[to]) for one in rounds)


if __name__ == "__main__":
    sys.exit(main())
