"""Payment is called over gRPC and HTTP in turn, its processes come and go, and nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from modules.payment import models
from modules.platform.placement.metrics import FALLBACKS
from modules.platform.rpc.metrics import CARRIED
from tests.extracted.grpc.running import Load, PaymentHost
from tests.standin import StandIn
from tests.waiting import eventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.timeout(300),  # the first waits for three processes to begin
]

ANSWERED_HERE = FALLBACKS.labels("payment")._value


def carried(transport: str) -> Callable[[], float]:
    """Attempts that went so from now on, where gRPC is chosen."""
    count = CARRIED.labels("payment", transport)._value.get
    before = count()
    return lambda: count() - before


def test_no_payment_is_lost_while_the_transport_changes(
    monolith: Any, payment: PaymentHost, standin: StandIn
) -> None:
    """gRPC, HTTP, gRPC again; then its process is killed, comes back, and is drained. Every call is
    answered by the host, and every order charged once.
    """
    payment.ensure_grpc()
    eventually(lambda: any(one.grpc_url for one in monolith.instances()))
    assert [one.grpc_url for one in monolith.instances()] == [payment.grpc_url]
    answered_here, charged = ANSWERED_HERE.get(), len(standin.ledger()["charges"])
    by_grpc, by_http = carried("grpc"), carried("http")
    monolith("payment=grpc")
    with Load() as load:
        load.more(20)
        assert (by_grpc() >= 20, by_http()) == (True, 0)

        monolith("payment=http")
        load.more(10)  # those that were under way have ended
        before = by_grpc()
        load.more(20)
        assert by_grpc() == before

        monolith("payment=grpc")
        load.until(lambda: by_grpc() >= before + 20, "calls over gRPC again")
        assert (by_http(), load.unknown) == (0, 0)

        assert payment.end("grpc", signal.SIGKILL) == -signal.SIGKILL
        load.more(30)
        assert by_http() > 0

        payment.ensure_grpc()
        before = by_grpc()
        load.until(lambda: by_grpc() >= before + 20, "calls over gRPC after its new start")

        load.settle()  # else what the kill has left unknown would be told while it is drained
        unknown = load.unknown
        assert payment.end("grpc") == 0
        load.more(20)
        assert load.unknown == unknown
    assert load.lost == []
    assert ANSWERED_HERE.get() == answered_here
    assert models.Payment.objects.count() == len(load.paid)
    charges = [charge["order_id"] for charge in standin.ledger()["charges"][charged:]]
    assert sorted(charges) == sorted(str(order_id) for order_id in load.paid)
