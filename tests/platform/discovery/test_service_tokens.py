"""The registry behind real service tokens: signed by one host's key, believed once by another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.platform.discovery import registry
from modules.platform.discovery.access import install_gate
from modules.platform.discovery.client import RegistryClient
from modules.platform.discovery.errors import RegistryRefused
from modules.platform.discovery.service_tokens import ServiceGate, service_token
from modules.platform.discovery.wire import call_of
from modules.platform.rpc import serving
from tests import plain
from tests.platform.discovery.serving import FINGERPRINT, PAYMENT, RegistryServer, said

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _trusting(settings: Any, tmp_path: Path) -> Iterator[None]:
    """This process is both: payment's host, and the registry that trusts payment's keys."""
    settings.SERVICE_NAME = "payment"
    settings.SERVICE_KEYS_DIR = str(tmp_path / "payment")
    settings.SERVICE_TRUST = f"payment={tmp_path / 'payment'}"
    settings.SERVICE_REPLAY_URL = ""
    settings.REGISTRY_READERS = []
    serving.gate.cache_clear()
    before = install_gate(ServiceGate())
    yield
    install_gate(before)
    serving.gate.cache_clear()


def test_every_question_is_signed_and_believed(server: RegistryServer) -> None:
    """From the contract to the goodbye, with ids that need quoting in an address."""
    with RegistryClient(server.url, token=service_token) as client:
        client.announce_contract(FINGERPRINT, PAYMENT)
        client.register("payment:1", said(contract=FINGERPRINT))
        assert client.heartbeat("payment:1", in_flight=1).listed
        assert [one.id for one in client.instances()] == ["payment:1"]
        assert client.instances()
        assert client.schema(FINGERPRINT) == PAYMENT
        client.deregister("payment:1")

    assert registry.entries() == ()


def test_untrusted_issuer_is_refused(
    server: RegistryServer, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Its signature is right, and nobody here knows it; the log says who tried what, from where."""
    settings.SERVICE_NAME = "stranger"
    with RegistryClient(server.url, token=service_token) as client:
        with pytest.raises(RegistryRefused, match="401 unauthenticated"):
            client.register("a", said())
        with pytest.raises(RegistryRefused, match="401"):
            client.instances()
    assert registry.entries() == ()
    events = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    refused = [one for one in events if one["event"] == "registry.refused"]
    assert [one["call"] for one in refused] == [
        call_of("PUT", "/registry/instances/a"),
        call_of("GET", "/registry/instances"),
    ]
    facts = {(one["reason"], one["issuer"], one["peer"]) for one in refused}
    assert facts == {("unknown_issuer", "stranger", "127.0.0.1")}


def test_token_is_good_for_one_request_only(server: RegistryServer) -> None:
    """Not twice, not for another address or method, not with another body."""
    path = "/registry/instances/a"
    root = server.url.removesuffix("/registry")
    body = b'{"module":"payment","url":"http://10.0.0.7:1","role":"own"}'
    token = service_token(call_of("PUT", path), body)
    authorization = {"Authorization": f"Bearer {token}"}

    def send(method: str, path: str, content: bytes) -> int:
        return plain.request(
            method, root + path, content=content, headers=authorization
        ).status_code

    assert send("PUT", "/registry/instances/b", body) == 401
    assert send("DELETE", path, body) == 401
    assert send("PUT", path, body.replace(b"10.0.0.7", b"10.6.6.6")) == 401
    assert send("PUT", path, body) == 201
    assert send("PUT", path, body) == 401
    assert [one.url for one in registry.live()] == ["http://10.0.0.7:1"]
