"""The registry, the stand-in and payment's host, started once; the monolith is this process."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.platform.discovery import LeastLoaded
from modules.platform.placement import table
from modules.platform.placement.installing import install, origin_instances, own_registry
from modules.platform.placement.watching import of
from modules.platform.rpc import Calls
from modules.platform.rpc.serving import gate
from tests.contracts.hosted import ISSUER, Hosted, hosted
from tests.extracted.grpc.running import PaymentHost, payment_host
from tests.standin import StandIn
from tests.waiting import eventually


@pytest.fixture(scope="package")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """The monolith's addresses, ``/registry`` among them."""
    with hosted(tmp_path_factory.mktemp("shop")) as running:
        yield running


@pytest.fixture(scope="package")
def standin() -> Iterator[StandIn]:
    with StandIn.started() as running:
        yield running


@pytest.fixture(scope="package")
def payment(registry: Hosted, standin: StandIn, django_db_setup: None) -> Iterator[PaymentHost]:
    with (
        tempfile.TemporaryDirectory(prefix="ficus-payment-") as home,
        payment_host(
            Path(home),
            registry=f"{registry.url}/registry",
            trusts=registry.caller_keys,
            standin=standin.url,
        ) as host,
    ):
        yield host


@pytest.fixture
def calls(
    registry: Hosted,
    payment: PaymentHost,
    standin: StandIn,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Calls]:
    """This process calls as ``caller``, and its registry believes payment."""
    standin.no_faults()
    settings.ROOT_URLCONF = "shop.urls"
    settings.SERVICE_TRUST = f"payment={payment.keys}"
    gate.cache_clear()
    calls = Calls(issuer=ISSUER, keys=registry.caller_keys)
    monkeypatch.setattr(sys.modules[Calls.__module__], "_calls", calls)
    yield calls
    calls.close()
    gate.cache_clear()


@pytest.fixture
def monolith(calls: Calls, settings: Any) -> Iterator[Any]:
    """``monolith(["payment=grpc"])``: from now on payment is called so, all of it by its host."""
    from modules.platform.grpc_calls.settings import transports_in

    source = own_registry()
    chooser = LeastLoaded(origin_instances(source))

    def calling(*transports: str) -> None:
        settings.RPC_TRANSPORTS = transports_in(transports)
        install(chooser)

    table.swap("payment", percent=100, actor="test", reason="its host is there")
    eventually(lambda: of("payment").percent == 100)
    calling.instances = lambda: source.instances("payment")  # type: ignore[attr-defined]
    yield calling
    settings.RPC_TRANSPORTS = {}
    install()
    source.close()
