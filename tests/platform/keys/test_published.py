"""Public keys of others: from a directory and from a URL, fresh, rotated, retired, unreachable."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from modules.platform.keys import KeyRing, PublicKeys, jwk_set
from modules.platform.keys.published import FRESH, LARGEST, MISS_PAUSE, STALE

MESSAGE = b"message"


class Clock:
    """Moves when told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Publisher(ThreadingHTTPServer):
    """Serves ``body`` with ``status`` at every path, and counts."""

    daemon_threads = True
    body = b""
    status = 200
    asked = 0


class Handler(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    ring = KeyRing(tmp_path / "keys")
    ring.signing()
    return ring


@pytest.fixture
def publisher(ring: KeyRing) -> Iterator[Publisher]:
    with Publisher(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        publish(server, ring)
        yield server
        server.shutdown()
        thread.join()


def publish(server: Publisher, ring: KeyRing) -> None:
    server.body = json.dumps({"keys": jwk_set(ring.all(fresh=True))}).encode()


def url(server: Publisher) -> str:
    return f"http://127.0.0.1:{server.server_port}/rpc/keys"


def verifies(keys: PublicKeys, ring: KeyRing) -> bool:
    """Whether what ``ring`` signs now is verified by what ``keys`` finds."""
    pair = ring.signing()
    found = keys.find(pair.kid)
    if found is None:
        return False
    found.verify(pair.private.sign(MESSAGE), MESSAGE)
    return True


def test_keys_of_a_directory_verify(ring: KeyRing) -> None:
    """The public halves alone are enough."""
    for pair in ring.directory.glob("*.pem"):
        pair.rename(pair.with_suffix(".elsewhere"))
    found = PublicKeys(str(ring.directory)).find(ring.signing().kid)
    assert found is not None


def test_a_directory_of_pairs_will_do(ring: KeyRing) -> None:
    """As mounted from a secret store, which knows nothing of our second file."""
    for half in ring.directory.glob("*.pub"):
        half.unlink()
    assert verifies(PublicKeys(str(ring.directory)), ring)


def test_keys_of_a_url_verify(ring: KeyRing, publisher: Publisher) -> None:
    """One request serves many questions."""
    keys = PublicKeys(url(publisher))
    assert all(verifies(keys, ring) for _ in range(10))
    assert publisher.asked == 1


def test_a_rotated_key_is_found_when_it_is_first_seen(ring: KeyRing, publisher: Publisher) -> None:
    """Its kid is not known, so the set is read again."""
    clock = Clock()
    keys = PublicKeys(url(publisher), clock=clock)
    assert verifies(keys, ring)
    ring.rotate()
    publish(publisher, ring)
    clock.now += MISS_PAUSE + 0.1
    assert verifies(keys, ring)
    assert publisher.asked == 2


def test_made_up_kids_do_not_become_requests(ring: KeyRing, publisher: Publisher) -> None:
    """At most one each MISS_PAUSE."""
    keys = PublicKeys(url(publisher), clock=Clock())
    assert all(keys.find(f"made-up-{number}") is None for number in range(50))
    assert publisher.asked == 1


def test_a_retired_key_is_refused_when_the_set_is_read_again(
    ring: KeyRing, publisher: Publisher
) -> None:
    """That is after FRESH at the latest."""
    clock = Clock()
    keys = PublicKeys(url(publisher), clock=clock)
    old = ring.signing().kid
    assert keys.find(old) is not None
    ring.rotate()
    ring.retire(old)
    publish(publisher, ring)
    clock.now += FRESH + 1
    assert keys.find(old) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (200, b"<html>"), (200, b'{"keys": 1}'), (200, b" " * (LARGEST + 1))],
)
def test_what_cannot_be_read_leaves_the_known_keys(
    ring: KeyRing, publisher: Publisher, status: int, body: bytes
) -> None:
    """A publisher that is down for an hour stops nobody; one that is gone for a day does."""
    clock = Clock()
    keys = PublicKeys(url(publisher), clock=clock)
    assert verifies(keys, ring)
    publisher.status, publisher.body = status, body
    clock.now += 3600
    assert verifies(keys, ring)
    clock.now += STALE
    assert not verifies(keys, ring)


def test_a_key_of_another_kind_is_no_key(ring: KeyRing) -> None:
    """A directory with an elliptic curve's key in it is not read; nothing is raised."""
    foreign = generate_private_key(SECP256R1()).public_key()
    data = foreign.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (ring.directory / "20260101T000000000000-abc123.pub").write_bytes(data)
    assert PublicKeys(str(ring.directory)).find(ring.signing().kid) is None


def test_a_directory_that_is_not_there_has_no_keys(tmp_path: Path) -> None:
    """Its host has not started yet."""
    assert PublicKeys(str(tmp_path / "nowhere")).find("kid") is None
