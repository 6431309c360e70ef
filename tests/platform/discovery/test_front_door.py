"""The front door reads this registry: its own reader, asked over a real socket."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

import pytest

from modules.platform.discovery import registry
from modules.platform.discovery.instances import Role
from strangler_proxy import config
from strangler_proxy.config import Instance
from strangler_proxy.discovery.registry import RegistryClient as FrontDoorReader
from tests.platform.discovery.serving import FINGERPRINT, PAYMENT, RegistryServer, said

pytestmark = pytest.mark.django_db(transaction=True)


def _read(url: str, role: str | None) -> list[Instance]:
    """What the front door publishes first."""
    rules = config.Registry(url=url, refresh_seconds=0.05, role=role)  # type: ignore[arg-type]
    reader = FrontDoorReader("payment", rules, rng=random.Random(1), clock=time.monotonic)
    published: asyncio.Queue[Sequence[Instance]] = asyncio.Queue()

    async def first() -> Sequence[Instance]:
        task = asyncio.create_task(reader.run(published.put_nowait))
        try:
            return await asyncio.wait_for(published.get(), 20)
        finally:
            task.cancel()

    return list(asyncio.run(first()))


def test_front_door_reads_addresses_and_weights(server: RegistryServer) -> None:
    """Everything that may be registered is believed there, at its limits too."""
    registry.announce_contract(FINGERPRINT, "payment", PAYMENT)
    most = said(
        url="https://[::1]", capacity=100, version="x" * 200, contract=FINGERPRINT, role=Role.OWN
    )
    registry.register("a", most, issuer="payment")
    registry.register("b", said(url="http://10.0.0.7:8101", capacity=1), issuer="payment")
    registry.register("c", said(url="http://pod.svc", role=Role.ORIGIN), issuer="payment")
    url = f"{server.url}/instances?module=payment"

    assert _read(url, "own") == [
        Instance(address="10.0.0.7:8101", weight=1),
        Instance(address="[::1]:443", weight=100),
    ]
    assert _read(url, "origin") == [Instance(address="pod.svc:80", weight=8)]
    assert len(_read(url, None)) == 3
