"""A host that answers ``Desk`` over real HTTP, a relay before it, and a caller's side."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from modules.platform.binding import bound, routed
from modules.platform.discovery import LeastLoaded, StaticSource
from modules.platform.keys import KeyRing
from modules.platform.resilience import RetryPolicy
from modules.platform.rpc import CallPolicy, Calls, RemoteRoute
from tests.contracts.hosted import ISSUER, Hosted, hosted, trusting
from tests.contracts.relay import Relay
from tests.platform.rpc.desk import Clerk, Desk
from tests.platform.rpc.posting import Caller

POLICY = CallPolicy(retries=RetryPolicy(attempts=3, base=0.005, longest=0.02))

Connect = Callable[..., Calls]


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    with hosted(tmp_path_factory.mktemp("host")) as running:
        yield running


@pytest.fixture
def clerk(host: Hosted) -> Iterator[Clerk]:
    """The implementation, answered by this process."""
    clerk = Clerk()
    with trusting(host), bound(Desk, clerk):
        yield clerk


@pytest.fixture
def relay(host: Hosted) -> Iterator[Relay]:
    relay = Relay(host.address)
    yield relay
    relay.close()


@pytest.fixture
def keys(host: Hosted) -> KeyRing:
    """Those that the host trusts."""
    return host.caller_keys


@pytest.fixture
def connect(keys: KeyRing, clerk: Clerk, tmp_path: Path) -> Iterator[Connect]:
    """``connect(url, ...)``: calls of Desk go to these instances, made by Calls of their own."""
    with ExitStack() as stack:

        def to(*urls: str, policy: CallPolicy = POLICY, **options: object) -> Calls:
            given = {"issuer": ISSUER, "keys": keys, "policy": policy} | options
            calls = Calls(**given)  # type: ignore[arg-type]
            stack.callback(calls.close)
            chooser = LeastLoaded(StaticSource({"desk": list(urls)}))
            stack.enter_context(routed(Desk, RemoteRoute(chooser, made_by=lambda: calls)))
            return calls

        yield to


@pytest.fixture
def calls(connect: Connect, relay: Relay) -> Calls:
    """The caller's side, connected through the relay, which does no harm unless told."""
    return connect(relay.url)


@pytest.fixture
def caller(api: Client, clerk: Clerk, keys: KeyRing) -> Caller:
    return Caller(api, keys)


@pytest.fixture
def refusals(caplog: pytest.LogCaptureFixture) -> Any:
    """The refusals logged so far, as events."""

    def events() -> list[dict[str, Any]]:
        found = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        return [event for event in found if event["event"] == "rpc.refused"]

    with caplog.at_level(logging.INFO):
        yield events
