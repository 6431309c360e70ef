"""Who is refused over gRPC, when a call gives up, and what a death in mid-call is to its caller."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from modules.payment.contract import OutcomeUnknown, Payment, PaymentRecord
from modules.platform.binding import methods_of
from modules.platform.contracts import ANONYMOUS, DeadlineExceeded, deadline_in
from modules.platform.contracts.codec import encode
from modules.platform.discovery import LeastLoaded
from modules.platform.grpc_calls.channels import Channels
from modules.platform.grpc_calls.messages.calls import MethodMessages
from modules.platform.grpc_calls.messages.library import library
from modules.platform.grpc_calls.route import GrpcRoute
from modules.platform.keys import KeyRing
from modules.platform.resilience import RetryPolicy
from modules.platform.rpc import CallPolicy, Calls, ModuleUnreachable
from modules.platform.rpc.tokens import issue
from tests import plain
from tests.contracts.hosted import ISSUER, Hosted
from tests.contracts.over_grpc import Offered
from tests.extracted.grpc.running import PaymentHost, authorization
from tests.standin import StandIn
from tests.waiting import eventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.timeout(300),  # the first waits for three processes to begin
]

ORDER = UUID(int=7)
NOWHERE = "http://127.0.0.1:9"
SLOW = 2.0  # seconds

Authorize = Callable[..., PaymentRecord]


@pytest.fixture
def host(payment: PaymentHost, calls: Calls) -> PaymentHost:
    payment.ensure_grpc()
    return payment


@pytest.fixture
def over_grpc(host: PaymentHost, registry: Hosted) -> Iterator[Callable[..., Authorize]]:
    """``over_grpc(url=..., policy=...)``: ``authorize`` at this one instance; ``url`` is where it
    says that its HTTP is.
    """
    with ExitStack() as stack:

        def made(*, url: str = "", policy: CallPolicy | None = None) -> Authorize:
            calls = Calls(issuer=ISSUER, keys=registry.caller_keys, policy=policy)
            channels = Channels(max_bytes=calls.policy.max_bytes)
            stack.callback(calls.close)
            stack.callback(channels.close)
            one = Offered("payment", host.grpc_url, url or host.url)
            way = GrpcRoute(LeastLoaded(one), made_by=lambda: calls, over=lambda: channels)
            return way.caller(methods_of(Payment)["authorize"])

        yield made


def refusals(log: str) -> list[tuple[str, str]]:
    """The calls refused and why, as the process has logged them."""
    lines = (json.loads(line) for line in log.splitlines() if line.startswith("{"))
    return [(one["call"], one["reason"]) for one in lines if one.get("event") == "rpc.refused"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (None, "missing"),
        ({"call": "orders.payments"}, "wrong_audience"),
        ({"call": "payment.cancel"}, "wrong_binding"),
        ({"now": time.time() - 300}, "expired"),
        ({"issuer": "nobody"}, "unknown_issuer"),
        ({"key": "another"}, "unknown_key"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_who_is_refused_over_http_is_refused_over_grpc(
    host: PaymentHost, registry: Hosted, tmp_path: Path, changes: Any, reason: str
) -> None:
    """For the same reason, told to the caller and written into the log, without the token."""
    messages = MethodMessages(methods_of(Payment)["payments"], library())
    arguments = {"order_ids": (ORDER,)}

    def token(body: bytes) -> str:
        given = {"issuer": ISSUER, "call": "payment.payments", "actor": ANONYMOUS}
        given |= {"now": time.time(), **changes}
        ring = KeyRing(tmp_path) if given.pop("key", "") else registry.caller_keys
        return issue(ring.signing(), body=body, **given)

    by_json, by_message = encode(arguments), messages.pack((), arguments)
    tokens = [] if changes is None else [token(by_json), token(by_message)]
    headers = {"Authorization": f"Bearer {tokens[0]}"} if tokens else {}
    answer = plain.post(f"{host.url}/rpc/payment/payments", content=by_json, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (401, reason)

    metadata = (("authorization", f"Bearer {tokens[1]}"),) if tokens else ()
    with (
        grpc.insecure_channel(f"127.0.0.1:{host.grpc_port}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(messages.path)(by_message, metadata=metadata, timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert caught.value.details() == reason

    for name in ("web", "grpc"):
        said = eventually(lambda name=name: refusals(host.log(name)), what="a line of log")
        assert said[-1] == ("payment.payments", reason)
        assert not any(one in host.log(name) for one in tokens)


def test_a_deadline_ends_a_call_over_grpc(
    over_grpc: Callable[..., Authorize], standin: StandIn
) -> None:
    """Though the provider takes its time; the typed error says that the time was up."""
    standin.faults("authorize", "slow", seconds=4 * SLOW)
    authorize = over_grpc()
    started = time.monotonic()
    with deadline_in(timedelta(seconds=0.5)), pytest.raises((DeadlineExceeded, OutcomeUnknown)):
        authorize(authorization(uuid4()))
    assert time.monotonic() - started < 3 * SLOW


def test_a_death_in_mid_call_is_a_typed_error_that_may_be_repeated(
    host: PaymentHost, over_grpc: Callable[..., Authorize], standin: StandIn
) -> None:
    """Its caller asks the instance over HTTP at once, with the same command: payment says that it
    does not know the outcome yet, and has charged once. Where HTTP is away too, and there is no
    attempt left, the module is unreachable, which is retryable.
    """
    standin.faults("authorize", "hold", times=2)  # charged, and not yet answered
    once = CallPolicy(retries=RetryPolicy(attempts=1))
    both, only_grpc = over_grpc(), over_grpc(url=NOWHERE, policy=once)
    first, second = uuid4(), uuid4()
    with ThreadPoolExecutor(2) as pool:
        repeated = pool.submit(both, authorization(first))
        unreachable = pool.submit(only_grpc, authorization(second))
        eventually(lambda: standin.charges(first) and standin.charges(second), what="both charges")
        assert host.end("grpc", signal.SIGKILL) == -signal.SIGKILL
        error = unreachable.exception(30)
        assert isinstance(error, ModuleUnreachable)
        assert error.retryable
        found = repeated.exception(30)
        assert isinstance(found, OutcomeUnknown)
        assert found.retryable
    assert len(standin.charges(first)) == 1
