"""Calls over real gRPC: what holds over HTTP holds here, by the same machinery."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from modules.platform.binding import bound, methods_of, use
from modules.platform.contracts import (
    ANONYMOUS,
    Actor,
    ActorKind,
    CallContext,
    DeadlineExceeded,
    Fenced,
    Money,
    Moved,
    NotFound,
    call_context,
    deadline_in,
)
from modules.platform.grpc_calls.messages.calls import MethodMessages
from modules.platform.grpc_calls.server import GrpcServer
from modules.platform.grpc_calls.settings import BadTransport, transport_of
from modules.platform.resilience import BreakerPolicy, KillSwitch, RetryPolicy
from modules.platform.rpc import (
    CallMisunderstood,
    CallPolicy,
    CallRefused,
    MethodSwitchedOff,
    ModuleFailed,
    ModuleResting,
    ModuleUnreachable,
)
from modules.platform.rpc.tokens import issue
from tests.contracts.between import Fault
from tests.contracts.hosted import ISSUER
from tests.platform.grpc_calls.conftest import LIBRARY, MAX_BYTES
from tests.platform.grpc_calls.shelf import (
    KeepBook,
    LadderGone,
    Librarian,
    Shelf,
    ShelfFull,
)
from tests.platform.grpc_calls.test_messages import BOOK
from tests.platform.rpc.planned import raising

KEEP = KeepBook(idempotency_key="k", book=BOOK)


def test_a_call_arrives_and_its_answer_comes_back(calls, librarian):
    """The same values on both sides, absent arguments left to the implementation."""
    assert use(Shelf).keep(KEEP) == BOOK
    assert use(Shelf).books(ids=(UUID(int=3),)) == ()
    assert use(Shelf).find_first(title="x") is None
    assert use(Shelf).drop(titles=frozenset({"a"})) is None
    given = [KEEP, {"ids": (UUID(int=3),)}, "x", frozenset({"a"})]
    assert librarian.given == given


def test_the_context_travels(calls, librarian):
    """Actor, request, trace, correlation and causation, and a deadline a little sooner."""
    actor = Actor(kind=ActorKind.STAFF, id="7", owners=frozenset({"customer:7"}), label="Zoë")
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    context = CallContext(
        actor=actor,
        deadline=deadline,
        request_id="r-1",
        traceparent=trace,
        correlation_id="c-1",
        causation_id="e-1",
    )
    with call_context(context):
        use(Shelf).find_first(title="x")
    (there,) = librarian.contexts
    assert there.actor == actor
    assert (there.request_id, there.traceparent) == ("r-1", trace)
    assert (there.correlation_id, there.causation_id) == ("c-1", "e-1")
    assert timedelta() < deadline - there.deadline < timedelta(seconds=5)


@pytest.mark.parametrize(
    "error",
    [
        ShelfFull(limit=Money(amount=3, currency="EUR"), held=("ü", "b")),
        LadderGone(since=datetime(2026, 1, 1, tzinfo=UTC)),
        NotFound(),
        Fenced(module="inventory", epoch=4),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_raised_as_its_own_class(calls, librarian, error):
    """With its fields; of a command it is never sent again when a module has made it its own."""
    librarian.deeds = [raising(error)]
    with pytest.raises(type(error)) as caught:
        use(Shelf).keep(KEEP)
    assert vars(caught.value) == vars(error)
    assert len(librarian.given) == 1


def test_an_error_larger_than_grpcs_own_limit_comes_back_whole(calls, librarian):
    """8 KB of trailing metadata are gRPC's default; 300 KB cross."""
    error = ShelfFull(limit=Money(amount=3, currency="EUR"), held=("x" * 1_000,) * 300)
    librarian.deeds = [raising(error)]
    with pytest.raises(ShelfFull) as caught:
        use(Shelf).keep(KEEP)
    assert caught.value.held == error.held


@pytest.mark.parametrize("error", [Fenced(module="shelf"), Moved(module="shelf", epoch=2)])
def test_a_fence_is_waited_for(calls, librarian, error):
    """The same command with the same key, until there is an authority again."""
    librarian.deeds = [raising(error)] * 4
    with deadline_in(timedelta(seconds=20)):
        assert use(Shelf).keep(KEEP) == BOOK
    assert librarian.given == [KEEP] * 5


@pytest.mark.parametrize("fault", [Fault.LOSE, Fault.CUT])
def test_a_connection_that_is_cut_is_made_anew(calls, librarian, relay, fault):
    """Lost after the deed, or before: the command is sent again."""
    use(Shelf).find_first(title="x")
    relay.plan(fault, Fault.NONE)
    assert use(Shelf).keep(KEEP) == BOOK
    assert relay.seen == [fault, Fault.NONE]
    assert librarian.given[1:] == [KEEP] * (2 if fault is Fault.LOSE else 1)


def test_a_cut_ends_all_calls_of_its_connection_and_none_is_lost(calls, librarian, relay):
    """Several streams share one connection; each call is repeated by itself."""
    relay.plan(*[Fault.NONE] * 5, Fault.LOSE, *[Fault.NONE] * 500)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: use(Shelf).keep(KEEP), range(24)))
    assert answers == [BOOK] * 24
    assert Fault.LOSE in relay.seen


def test_the_deadline_ends_a_call(calls, librarian):
    """On the caller's side, whatever the host does."""
    librarian.deeds = [lambda: time.sleep(1.5)]
    started = time.monotonic()
    with deadline_in(timedelta(seconds=0.3)), pytest.raises(DeadlineExceeded):
        use(Shelf).keep(KEEP)
    assert time.monotonic() - started < 1.2


def test_a_host_that_is_away_is_unreachable_and_left_alone(connect, librarian):
    """Each attempt fails at once; then the breaker answers."""
    policy = CallPolicy(
        retries=RetryPolicy(attempts=2, base=0.001, longest=0.01),
        breaker=BreakerPolicy(minimum=4),
    )
    connect("grpc://127.0.0.1:9", policy)
    kinds = set()
    for _ in range(6):
        with pytest.raises(ModuleUnreachable) as caught:
            use(Shelf).find_first(title="x")
        kinds.add(type(caught.value))
    assert kinds == {ModuleUnreachable, ModuleResting}


def test_an_unforeseen_error_is_no_contract(calls, librarian):
    """Its text stays in the host's log."""
    librarian.deeds = [raising(ValueError("secret"))]
    with pytest.raises(ModuleFailed) as caught:
        use(Shelf).keep(KEEP)
    assert "secret" not in str(caught.value)
    assert len(librarian.given) == 1


def test_a_stranger_is_refused(connect, relay, keys, librarian):
    """Whoever signs with other keys has not called."""
    connect(relay.url, keys=keys, sleep=lambda _: None)
    with pytest.raises(CallRefused) as caught:
        use(Shelf).keep(KEEP)
    assert caught.value.reason in ("unknown_key", "forged")
    assert librarian.given == []


def test_a_request_is_bound_to_its_token(server, librarian, host):
    """The same bytes a second time, or others, are not taken."""
    drop = MethodMessages(methods_of(Shelf)["drop"], LIBRARY)
    body = drop.pack((), {"titles": frozenset({"a"})})
    token = issue(
        host.caller_keys.signing(),
        issuer=ISSUER,
        call="shelf.drop",
        body=body,
        actor=ANONYMOUS,
        now=time.time(),
    )
    said = (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel("{}:{}".format(*server)) as channel:
        ask = channel.unary_unary(drop.path)
        codes = []
        for sent in (body + b"\x0a\x01b", body, body):
            try:
                ask(sent, metadata=said, timeout=5)
                codes.append("OK")
            except grpc.RpcError as error:
                codes.append(error.code().name)
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/ficus.shelf.v1.Shelf/Nothing")(b"", timeout=5)
    assert codes == ["UNAUTHENTICATED", "OK", "UNAUTHENTICATED"]
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED  # and not: no such method
    assert librarian.given == [frozenset({"a"})]


def test_what_the_host_does_not_have_is_said_to_be_none(server, librarian, host):
    """A module, or a method: once the token is believed."""

    def refused(path: str, call: str) -> tuple[str, str]:
        token = issue(
            host.caller_keys.signing(),
            issuer=ISSUER,
            call=call,
            body=b"",
            actor=ANONYMOUS,
            now=time.time(),
        )
        with grpc.insecure_channel("{}:{}".format(*server)) as channel:
            said = (("authorization", f"Bearer {token}"),)
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(path)(b"", metadata=said, timeout=5)
        return caught.value.code().name, caught.value.details()

    unknown_module = refused("/ficus.nowhere.v1.Nowhere/Go", "nowhere.go")
    assert unknown_module == ("UNIMPLEMENTED", "unknown_module")
    assert refused("/ficus.shelf.v1.Shelf/Burn", "shelf.burn") == (
        "UNIMPLEMENTED",
        "unknown_method",
    )


def test_over_tls_a_host_is_believed_by_its_certificate(connect, librarian, tmp_path, monkeypatch):
    """As Python's ssl would: of an authority that SSL_CERT_FILE names, and of no other."""
    authority, other = trustme.CA(), trustme.CA()
    chain = authority.issue_cert("127.0.0.1")
    key = chain.private_key_pem.bytes()
    certificates = b"".join(one.bytes() for one in chain.cert_chain_pems)
    server = GrpcServer((), threads=1, library=LIBRARY)
    port = server.start(credentials=grpc.ssl_server_credentials([(key, certificates)])).port
    file = tmp_path / "authorities.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    other.cert_pem.write_to_path(str(file))
    connect(f"grpcs://127.0.0.1:{port}")
    with pytest.raises(ModuleUnreachable):
        use(Shelf).find_first(title="x")
    authority.cert_pem.write_to_path(str(file))
    connect(f"grpcs://127.0.0.1:{port}")
    assert use(Shelf).find_first(title="y") is None
    server.stop()
    assert librarian.given == ["y"]


def test_too_much_is_refused_with_a_word(calls, librarian):
    """A little over the limit by the host, far over it by gRPC; never repeated."""
    for size in (MAX_BYTES + 1, MAX_BYTES * 40):
        with pytest.raises(CallMisunderstood) as caught:
            use(Shelf).find_first(title="x" * size)
        assert caught.value.reason == "too_large"
    assert librarian.given == []


def test_an_answer_that_is_too_large_is_no_answer(connect, relay, librarian):
    """The caller takes so much and no more."""
    connect(relay.url, CallPolicy(max_bytes=100, retries=RetryPolicy(attempts=1)))
    with pytest.raises(ModuleUnreachable, match="too large"):
        use(Shelf).keep(KEEP)


def test_what_does_not_fit_is_not_sent(calls, librarian, relay):
    """It is the caller's mistake, named by field."""
    wrong = KeepBook(idempotency_key="k", book=dataclasses.replace(BOOK, copies=2**63))
    with pytest.raises(CallMisunderstood, match=r"command\.book\.copies"):
        use(Shelf).keep(wrong)
    assert relay.seen == []


def test_a_kill_switch_stops_calls(connect, relay, librarian):
    """Before anything is sent."""
    connect(relay.url, switches=KillSwitch({"shelf.keep": "for a while"}))
    with pytest.raises(MethodSwitchedOff):
        use(Shelf).keep(KEEP)
    assert relay.seen == []


def test_somebody_else_at_the_address_is_no_host(connect, librarian):
    """A gRPC server that knows nothing of modules."""
    with ThreadPoolExecutor(1) as pool:
        other = grpc.server(pool)
        port = other.add_insecure_port("127.0.0.1:0")
        other.start()
        connect(f"grpc://127.0.0.1:{port}")
        with pytest.raises(CallMisunderstood) as caught:
            use(Shelf).find_first(title="x")
        other.stop(None).wait()
    assert caught.value.reason == "no_host"


def test_health_needs_no_token(server):
    """For the whole server and for each of its services."""
    with grpc.insecure_channel("{}:{}".format(*server)) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "ficus.shelf.v1.Shelf"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_the_transport_is_chosen_by_a_setting(settings):
    """HTTP unless told; a word that is none is refused."""
    settings.RPC_TRANSPORTS = {"payment": "grpc", "cart": "http", "orders": "carrier pigeon"}
    assert [transport_of(name) for name in ("payment", "cart", "catalog")] == [
        "grpc",
        "http",
        "http",
    ]
    with pytest.raises(BadTransport, match="carrier pigeon"):
        transport_of("orders")


def test_the_implementation_is_this_hosts_own(calls, librarian, server):
    """A call that has arrived goes no further, though the way from here leads elsewhere."""
    other = Librarian()
    with bound(Shelf, other):
        pass
    assert use(Shelf).find_first(title="x") is None
    assert (librarian.given, other.given) == (["x"], [])
