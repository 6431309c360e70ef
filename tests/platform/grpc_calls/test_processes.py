"""Real processes: the server's own, and forks of a caller."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import structlog
import trustme
from django.conf import settings
from grpc_health.v1 import health_pb2, health_pb2_grpc

from modules.payment.contract import Payment
from modules.platform.binding import bound, methods_of, routed, use
from modules.platform.console import CommandFailed
from modules.platform.discovery import Instance, LeastLoaded, Role, StaticSource
from modules.platform.grpc_calls.carrier import Missed
from modules.platform.grpc_calls.channels import Channels
from modules.platform.grpc_calls.management.commands.grpc_server import _credentials
from modules.platform.grpc_calls.route import GrpcRoute
from modules.platform.grpc_calls.server import GrpcServer
from modules.platform.grpc_calls.ways import way_to
from modules.platform.resilience import BreakerPolicy, RetryPolicy
from modules.platform.rpc import CallPolicy, Calls, RemoteRoute
from modules.platform.rpc.metrics import CARRIED
from tests.contracts.frames import FrameRelay
from tests.contracts.hosted import ISSUER, hosted, trusting
from tests.contracts.over_grpc import Offered
from tests.platform.grpc_calls.conftest import LIBRARY
from tests.platform.grpc_calls.shelf import Shelf
from tests.platform.grpc_calls.test_calling import KEEP

ROOT = Path(settings.BASE_DIR)
COMMAND = [
    *(sys.executable, "-m", "django", "grpc_server", "--port", "0"),
    *("--settings", "tests.platform.grpc_calls.grpc_settings"),
]


class Running:
    """``manage.py grpc_server`` in a process of its own."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.said = ""
        for line in self.process.stderr:
            self.said += line
            if found := re.search(r"^grpc_server: .* at 127\.0\.0\.1:(\d+) \(no TLS\)$", line):
                self.port = int(found[1])
                return
        pytest.fail(f"it has not begun: {self.said}")

    def ended(self) -> tuple[int, str]:
        """Its exit code and what it printed."""
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    one = Running("--threads", "4")
    yield one
    if one.process.poll() is None:
        one.process.kill()
    one.process.communicate()


def test_the_server_answers_and_ends_softly(running: Running) -> None:
    """Every module of the host is a service; SIGTERM is an ordinary end, told to whoever asks."""
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for module in settings.FICUS_MODULES:
            port = module.title()
            request = health_pb2.HealthCheckRequest(service=f"ficus.{module}.v1.{port}")
            answer = health.Check(request, timeout=20)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/ficus.payment.v1.Payment/Payments")(b"", timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    taken = subprocess.run(
        [*COMMAND, "--port", str(running.port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert taken.returncode == 1
    assert "nothing can listen" in taken.stderr
    running.process.send_signal(signal.SIGTERM)
    code, printed = running.ended()
    assert code == 0
    assert f"127.0.0.1:{running.port} stopped by SIGTERM" in printed


def test_what_is_under_way_ends_before_the_server(calls, librarian, server) -> None:
    """A soft end takes no more calls, and cuts none off."""

    begun, go_on = threading.Event(), threading.Event()
    librarian.deeds = [lambda: (begun.set(), go_on.wait(20))]
    one = GrpcServer(("shelf",), threads=1, library=LIBRARY)
    relay = FrameRelay(("127.0.0.1", one.start().port))
    channels = Channels(max_bytes=10_000, library=lambda: LIBRARY)

    way = GrpcRoute(
        LeastLoaded(Offered("shelf", relay.url)),
        made_by=lambda: calls,
        over=lambda: channels,
        library=lambda: LIBRARY,
    )
    answers: list[object] = []
    keep = way.caller(methods_of(Shelf)["keep"])
    caller = threading.Thread(target=lambda: answers.append(keep(KEEP)))
    caller.start()
    assert begun.wait(20)
    ender = threading.Thread(target=one.stop)
    ender.start()
    go_on.set()
    caller.join(20)
    ender.join(20)
    channels.close()
    relay.close()
    assert answers == [KEEP.book]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12: that is the point
def test_a_fork_of_a_process_that_used_grpc_uses_none(calls, librarian) -> None:
    """gRPC's threads stay behind: the child's calls go by HTTP, the parent's go on."""
    use(Shelf).find_first(title="x")
    channels = Channels(max_bytes=1_000)
    channels.usable = True
    channels._channels["grpc://127.0.0.1:1"] = grpc.insecure_channel("127.0.0.1:1")
    for _ in range(5):
        child = os.fork()
        if child == 0:
            os._exit(0 if not channels.usable and not channels._channels else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert use(Shelf).find_first(title="x") is None
    channels.close()


def test_a_fork_of_a_process_that_did_not_use_grpc_may(server, librarian, tmp_path: Path) -> None:
    """Channels are made after the fork: so work Celery's children and granian's workers."""
    code = f"""
import os, grpc_health.v1.health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc
import django
django.setup()
from modules.platform.grpc_calls.channels import Channels
from modules.platform.resilience import Deadline
channels = Channels(max_bytes=1000)
def child():
    import grpc
    assert channels.usable
    told = channels.post("grpc://127.0.0.1:{server[1]}", "/ficus.shelf.v1.Shelf/Drop", [], b"",
                         Deadline.within(20))
    assert (told.status, told.outcome) == (401, "refused"), told
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        try:
            child()
            os._exit(0)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
print("done")
"""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.platform.grpc_calls.grpc_settings"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.stdout.strip().endswith("done"), done.stdout + done.stderr


class Till:
    """Answers Payment, and has nothing."""

    def payments(self, *, order_ids: object) -> tuple[object, ...]:
        return ()

    authorize = capture = cancel = refund = payments


def test_an_instance_that_offers_no_grpc_is_asked_over_http(
    host, librarian, settings, tmp_path: Path
) -> None:
    """The setting asks for gRPC; the instance has HTTP only, so that is how it is called."""

    settings.RPC_TRANSPORTS = {"payment": "grpc"}
    with hosted(tmp_path) as http, trusting(http), bound(Payment, Till()):
        calls = Calls(issuer=ISSUER, keys=http.caller_keys)
        way = way_to(
            "payment", LeastLoaded(StaticSource({"payment": [http.url]})), made_by=lambda: calls
        )
        assert isinstance(way, GrpcRoute)
        with routed(Payment, way):
            assert use(Payment).payments(order_ids=()) == ()
        calls.close()
    assert isinstance(way_to("cart", LeastLoaded(StaticSource({}))), RemoteRoute)


def test_a_way_that_is_dead_has_a_breaker_of_its_own(tmp_path: Path) -> None:
    """Nobody listens where gRPC should be: every call is answered over HTTP in the same attempt,
    and soon gRPC is not tried any more; the instance itself is not left alone.
    """
    with hosted(tmp_path) as http, trusting(http), bound(Payment, Till()):
        policy = CallPolicy(retries=RetryPolicy(attempts=1), breaker=BreakerPolicy(minimum=4))
        calls = Calls(issuer=ISSUER, keys=http.caller_keys, policy=policy)
        channels = Channels(max_bytes=1_000)
        one = Offered("payment", "grpc://127.0.0.1:9", url=http.url)
        way = GrpcRoute(LeastLoaded(one), made_by=lambda: calls, over=lambda: channels)
        before = [CARRIED.labels("payment", name)._value.get() for name in ("grpc", "http")]
        with routed(Payment, way):
            for _ in range(8):
                assert use(Payment).payments(order_ids=()) == ()
        after = [CARRIED.labels("payment", name)._value.get() for name in ("grpc", "http")]
        channels.close()
        calls.close()
    assert [b - a for a, b in zip(before, after, strict=True)] == [4, 8]


def test_a_host_that_never_names_grpc_imports_none_of_it() -> None:
    """Neither the app nor the choice of a way needs grpcio or protobuf."""
    code = (
        "import sys, django; django.setup();"
        "from modules.platform.grpc_calls.ways import way_to;"
        "from modules.platform.discovery import LeastLoaded, StaticSource;"
        "way_to('payment', LeastLoaded(StaticSource({})));"
        "import modules.platform.proto.files;"
        "sys.exit(any(name.split('.')[0] in ('grpc', 'google') for name in sys.modules))"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.platform.grpc_calls.grpc_settings"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, timeout=90)
    assert done.returncode == 0


def test_what_is_no_certificate_is_named(tmp_path: Path) -> None:
    """gRPC alone would listen with it, and refuse every caller."""
    chain = trustme.CA().issue_cert("localhost")
    other = trustme.CA().issue_cert("localhost")
    paths = {name: tmp_path / f"{name}.pem" for name in ("chain", "key", "other", "none")}
    chain.cert_chain_pems[0].write_to_path(str(paths["chain"]))
    chain.private_key_pem.write_to_path(str(paths["key"]))
    other.private_key_pem.write_to_path(str(paths["other"]))
    names = {name: str(path) for name, path in paths.items()}
    assert _credentials("", "") is None
    assert isinstance(_credentials(names["chain"], names["key"]), grpc.ServerCredentials)
    for key in ("other", "none"):
        with pytest.raises(CommandFailed, match=f"{key}.pem cannot be used"):
            _credentials(names["chain"], names[key])


def test_http_instead_of_grpc_is_said_once_a_minute() -> None:
    """For each module; the calls themselves go on."""
    now = [100.0]
    missed = Missed(clock=lambda: now[0])
    one = Instance(id="payment-1", module="payment", url="http://x", role=Role.OWN)
    with structlog.testing.capture_logs() as said:
        for seconds in (0, 30, 31):
            now[0] += seconds
            missed.tell(one)
            missed.tell(one)
        missed.tell(replace(one, module="cart"))
    assert [line["event"] for line in said] == ["grpc.not_offered"] * 3
    assert [line["module"] for line in said] == ["payment", "payment", "cart"]
