"""An instance that keeps itself in the registry, whatever happens to the registry."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db.models import F

from modules.platform.discovery import registry
from modules.platform.discovery.announcer import UNREADY, Announced, Announcer
from modules.platform.discovery.client import RegistryClient
from modules.platform.discovery.models import AnnouncedContract, RegisteredInstance
from modules.platform.discovery.probe import Health, ListeningProbe, ReadinessProbe
from modules.platform.discovery.registry import State
from modules.platform.discovery.registry_source import RegistrySource
from modules.platform.resilience.retrying import RetryPolicy
from tests.platform.discovery.serving import (
    FINGERPRINT,
    PAYMENT,
    RegistryServer,
    contracts,
    said,
)
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = RetryPolicy(base=0.1, factor=2, longest=0.1)
READY = Health(ready=True, in_flight=2)


class Host:
    """What a probe finds."""

    def __init__(self) -> None:
        self.health = READY

    def __call__(self) -> Health:
        return self.health


def _announcer(client: RegistryClient, host: Callable[[], Health] = Host()) -> Announcer:  # noqa: B008
    announced = Announced(id="payment-1", said=said(contract=FINGERPRINT), schema=PAYMENT)
    return Announcer(announced, client, probe=host, backoff=QUICK, chance=lambda: 1.0)


@pytest.fixture
def client(server: RegistryServer) -> Iterator[RegistryClient]:
    with server.client() as made:
        yield made


@contextmanager
def _running(announcer: Announcer) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=announcer.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def _listed() -> list[str]:
    return [one.id for one in registry.live()]


def test_host_is_registered_with_its_contract_and_leaves_at_the_end(client: RegistryClient) -> None:
    """The registry did not have the contract: it was sent first."""
    with _running(_announcer(client)):
        eventually(_listed)
        assert registry.entry("payment-1").contract == FINGERPRINT
        assert registry.contract(FINGERPRINT) == PAYMENT

    assert registry.entries() == ()


def test_rhythm_is_the_registrys_and_a_heartbeat_tells_the_load(client: RegistryClient) -> None:
    """First the registration, then heartbeats."""
    announcer = _announcer(client)
    assert announcer.turn() == 3.0
    before = registry.entry("payment-1")
    assert announcer.turn() == 3.0

    after = registry.entry("payment-1")
    assert after.seen_at > before.seen_at
    assert (before.in_flight, after.in_flight) == (None, 2)


def test_forgotten_instance_registers_again_in_the_same_turn(client: RegistryClient) -> None:
    """The registry lost its row, and with it the contract."""
    announcer = _announcer(client)
    announcer.turn()
    RegisteredInstance.objects.all().delete()
    AnnouncedContract.objects.all().delete()

    announcer.turn()

    assert _listed() == ["payment-1"]
    assert registry.contract(FINGERPRINT) == PAYMENT


def test_registry_that_is_away_is_tried_for_ever(
    client: RegistryClient, server: RegistryServer
) -> None:
    """Before the first registration and after; each time the instance is found again."""
    server.stop()
    announcer = _announcer(client)
    waits = [announcer.turn() for _ in range(5)]
    assert waits == [0.1] * 5
    assert not announcer.is_registered

    with _running(announcer):
        server.start()
        eventually(_listed)
        server.stop()
        registry.deregister("payment-1", issuer="payment")
        server.start()
        eventually(_listed)


def test_callers_never_miss_an_instance_whose_registry_was_away_for_long(
    client: RegistryClient, server: RegistryServer
) -> None:
    """Longer than the time to live: back again, the registry knows nobody until a heartbeat."""
    reader = server.client("orders")
    source = RegistrySource(
        reader.instances, schema=reader.schema, contracts=contracts(), interval=0.02
    )
    announcer = _announcer(client)
    announcer.turn()
    eventually(lambda: source.instances("payment"))

    server.stop()
    RegisteredInstance.objects.update(expires_at=F("expires_at") - timedelta(minutes=5))
    server.start()
    assert _listed() == []
    back = time.monotonic()
    eventually(lambda: (source._polling._succeeded_at or 0) > back)
    assert [one.id for one in source.instances("payment")] == ["payment-1"]

    announcer.turn()
    assert _listed() == ["payment-1"]
    source.close()
    reader.close()


def test_backoff_grows_to_half_the_time_to_live(server: RegistryServer) -> None:
    """With full jitter, which is fixed here."""
    server.stop()
    announced = Announced(id="payment-1", said=said())
    with server.client() as client:
        announcer = Announcer(announced, client, probe=Host(), chance=lambda: 1.0)
        assert [announcer.turn() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_refusal_is_tried_again_too(server: RegistryServer, settings: object) -> None:
    """Somebody may be about to put it right: here, to grant what the issuer may announce."""
    with server.client("blue") as client:
        announcer = _announcer(client)
        announcer.turn()
        assert _listed() == []

        settings.REGISTRY_ANNOUNCERS = {"payment": ["blue"]}  # type: ignore[attr-defined]
        announcer.turn()
        assert _listed() == ["payment-1"]


def test_host_that_is_not_ready_is_not_announced(client: RegistryClient) -> None:
    """It is first taken off the list when it stays so; ready again, it is back at once."""
    host = Host()
    host.health = Health(ready=False, waiting_for="database payment")
    announcer = _announcer(client, host)
    announcer.turn()
    assert _listed() == []

    host.health = READY
    announcer.turn()
    host.health = Health(ready=False)
    for turn in range(UNREADY):
        assert _listed() == ["payment-1"], turn
        announcer.turn()
    assert registry.entries() == ()

    host.health = READY
    announcer.turn()
    assert _listed() == ["payment-1"]


def test_host_that_is_not_ready_for_a_moment_stays(client: RegistryClient) -> None:
    """Its time to live bridges it."""
    host = Host()
    announcer = _announcer(client, host)
    for ready in (True, False, False, True, False, False, True):
        host.health = Health(ready=ready)
        announcer.turn()
    assert _listed() == ["payment-1"]


def test_dropped_instance_does_not_fight(client: RegistryClient) -> None:
    """It goes on announcing itself, and stays dropped."""
    announcer = _announcer(client)
    announcer.turn()
    registry.drop("payment-1", reason="misbehaves")
    announcer.turn()

    assert registry.entry("payment-1").state is State.DROPPED
    assert announcer.is_registered


def test_goodbye_to_a_registry_that_is_away_ends_all_the_same(
    client: RegistryClient, server: RegistryServer
) -> None:
    """Its registration runs out by itself."""
    announcer = _announcer(client)
    with _running(announcer):
        eventually(_listed)
        server.stop()
    assert _listed() == ["payment-1"]
    assert not announcer.is_registered


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, '{"ready": true, "waiting_for": {}}', Health(ready=True)),
        (200, '{"ready": true, "in_flight": 3}', Health(ready=True, in_flight=3)),
        (
            503,
            '{"ready": false, "waiting_for": {"database payment": "refused"}}',
            Health(ready=False, waiting_for="database payment: refused"),
        ),
    ],
)
def test_probe_reads_readiness(
    status: int, body: str, expected: Health, elsewhere: Callable[[int, str], str]
) -> None:
    """From a real server."""
    assert ReadinessProbe(elsewhere(status, body))() == expected


def test_probe_of_what_is_no_host(elsewhere: Callable[[int, str], str]) -> None:
    """Not ready, and it says why; never an exception."""
    broken = ReadinessProbe(elsewhere(200, "<html>"))()
    assert not broken.ready
    assert "cannot be read" in broken.waiting_for
    gone = ReadinessProbe("http://127.0.0.1:1")()
    assert not gone.ready
    assert "127.0.0.1:1/readyz" in gone.waiting_for


def test_grpc_is_announced_while_it_answers(client: RegistryClient) -> None:
    """It may begin later than the rest of its host, be away for a while, and come back; the host
    is listed all the time.
    """
    answers = [False, False, True, True, False]
    url = "grpc://127.0.0.1:9101"
    announced = Announced(id="payment-1", said=said(grpc_url=url))
    announcer = Announcer(announced, client, probe=Host(), has_grpc=lambda: answers.pop(0))
    listed = []
    while answers:
        announcer.turn()
        (one,) = registry.live("payment")
        listed.append(one.grpc_url)
    assert listed == ["", "", url, url, ""]


def test_who_listens_is_seen_without_a_word() -> None:
    """A port that is listened on, one that is not, and what is no address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert ListeningProbe(f"127.0.0.1:{port}")()
    assert not ListeningProbe(f"127.0.0.1:{port}")()
    for wrong in ("9101", "localhost:", "localhost:many"):
        with pytest.raises(ValueError, match="host:port"):
            ListeningProbe(wrong)
