"""Bodies, streams and tunnels: they pass as they come, in bounded memory, both ways."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from tests import plain
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import CLOSE, HANG, Got, Origin, Step, ok, origin, talk

MEGABYTE = 1 << 20
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET %b HTTP/1.1\r\nHost: shop.example\r\n\r\n"
ALL = {"name": "all", "prefix": "/", "upstream": "up", "authentication": "none"}


def respond(got: Got) -> bytes | Iterator[Step]:
    """What the path asks for."""
    if got.target == "/large":
        return large()
    if got.target == "/events":
        return events()
    if got.target == "/hangs":
        return iter([HANG])
    if got.target.startswith("/overrun/"):
        return overrun(got)
    if got.target == "/digest":
        return ok(hashlib.sha256(got.body).hexdigest().encode())
    return ok(f"{got.method} {got.target}".encode())


def large() -> Iterator[Step]:
    """Sixty-four megabytes."""
    yield f"HTTP/1.1 200 OK\r\nContent-Length: {64 * MEGABYTE}\r\n\r\n".encode()
    for _ in range(64):
        yield b"x" * MEGABYTE


def events() -> Iterator[Step]:
    """Three events, with longer pauses than the route's deadline."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + CHUNKED
    for number in range(3):
        event = f"data: {number}\n\n".encode()
        yield b"%x\r\n%b\r\n" % (len(event), event)
        yield 0.8
    yield b"0\r\n\r\n"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    with origin(respond) as running:
        yield running


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """The port of a WebSocket server that sends back what it gets."""

    def handle(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(handle, "127.0.0.1", 0) as server:
        thread = _Background(server)
        yield server.socket.getsockname()[1]
        thread.end()


class _Background:
    def __init__(self, server: Server) -> None:
        import threading

        self._server = server
        self._thread = threading.Thread(target=server.serve_forever)
        self._thread.start()

    def end(self) -> None:
        self._server.shutdown()
        self._thread.join(5)


@pytest.fixture(scope="module")
def door(
    upstream: Origin, echo: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FrontDoor]:
    plain = {"authentication": "none", "upstream": "up"}
    document = {
        "upstreams": {
            "up": {"instances": [{"address": upstream.address}]},
            "hanging": {"instances": [{"address": upstream.address}]},
            "echo": {"instances": [{"address": f"127.0.0.1:{echo}"}]},
        },
        "routes": [
            {"name": "all", "prefix": "/", **plain},
            {"name": "events", "prefix": "/events", **plain, "deadline_seconds": 0.5},
            {"name": "small", "prefix": "/small", **plain, "request_bytes": 1000},
            {"name": "overrun", "prefix": "/overrun", **plain, "response_bytes": 1000},
            {"name": "hangs", "prefix": "/hangs", **plain, "upstream": "hanging"},
            {
                "name": "echo",
                "prefix": "/echo",
                "upstream": "echo",
                "authentication": "none",
                "upgrade": ["websocket"],
                "deadline_seconds": 1.0,
            },
            {
                "name": "closed",
                "prefix": "/no-upgrade",
                "upstream": "echo",
                "authentication": "none",
            },
        ],
    }
    with front_door(tmp_path_factory.mktemp("door"), document) as running:
        yield running


def resident(door: FrontDoor) -> int:
    """Bytes of memory of the front door's process."""
    pages = Path(f"/proc/{door.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


def test_large_answer_waits_for_a_slow_client_in_bounded_memory(door: FrontDoor) -> None:
    """A client that reads slowly slows the upstream down; nothing piles up in between."""
    plain.get(door.url + "/warm")
    before = resident(door)
    with socket.create_connection(("127.0.0.1", door.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(GET % b"/large")
        time.sleep(1.0)
        assert resident(door) - before < 8 * MEGABYTE
        received = 0
        while received < 64 * MEGABYTE:
            piece = client.recv(MEGABYTE)
            assert piece
            received += len(piece)


def test_large_request_reaches_the_upstream_whole(door: FrontDoor) -> None:
    """Ten megabytes with a length, and ten in chunks, arrive byte by byte as they were sent."""
    body = os.urandom(10 * MEGABYTE)
    digest = hashlib.sha256(body).hexdigest()
    assert plain.post(door.url + "/digest", content=body, timeout=30).text == digest
    pieces = (body[at : at + 70_000] for at in range(0, len(body), 70_000))
    assert plain.post(door.url + "/digest", content=pieces, timeout=30).text == digest


def test_request_over_the_routes_limit_is_refused(door: FrontDoor, upstream: Origin) -> None:
    """413, announced or not, and the upstream answers nothing of it."""
    assert plain.post(door.url + "/small", content=b"x" * 1001).status_code == 413
    pieces = (b"x" * 400 for _ in range(3))
    assert plain.post(door.url + "/small", content=pieces).status_code == 413
    assert plain.post(door.url + "/small", content=b"x" * 1000).status_code == 200


def test_requests_sent_ahead_are_answered_in_order(door: FrontDoor) -> None:
    """Pipelining: two hundred requests in one go get two hundred answers in their order."""
    sent = b"".join(GET % b"/p%d" % number for number in range(199))
    last = b"GET /p199 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
    received = talk(door.port, sent + last, patience=20)
    found = [received.find(b"GET /p%d" % number) for number in range(200)]
    assert -1 not in found
    assert found == sorted(found)


def test_expectation_is_met_before_the_body_is_sent(door: FrontDoor) -> None:
    """A client that waits for 100 Continue gets it from us; the upstream never sees the field."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=5) as client:
        client.sendall(
            b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert hashlib.sha256(b"hello").hexdigest().encode() in client.recv(65536)


def test_refused_expectation_costs_the_client_no_body(door: FrontDoor) -> None:
    """A request that is refused anyway is refused before its body is asked for."""
    sent = (
        b"POST /rpc/payment HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    assert talk(door.port, sent).startswith(b"HTTP/1.1 404")


def test_events_come_one_by_one_and_outlive_the_deadline(door: FrontDoor) -> None:
    """Server-sent events pass at once; the deadline is for the first answer, not for the stream."""
    begun = time.monotonic()
    with plain.stream("GET", door.url + "/events", timeout=10) as answer:
        pieces = answer.iter_bytes()
        assert next(pieces) == b"data: 0\n\n"
        assert time.monotonic() - begun < 0.5
        assert b"".join(pieces) == b"data: 1\n\ndata: 2\n\n"


def test_websocket_carries_messages_both_ways(door: FrontDoor) -> None:
    """A WebSocket passes where the route allows it, large messages and long silence included."""
    with connect(f"ws://127.0.0.1:{door.port}/echo", max_size=None) as client:
        client.send("hello")
        assert client.recv(5) == "hello"
        client.send(b"x" * MEGABYTE)
        assert client.recv(10) == b"x" * MEGABYTE
        time.sleep(1.5)
        client.send("still there")
        assert client.recv(5) == "still there"


def test_upgrade_is_not_passed_on_where_the_route_does_not_allow_it(door: FrontDoor) -> None:
    """Elsewhere the field is dropped, so that no tunnel can be opened behind our back."""
    sent = (
        b"GET /no-upgrade HTTP/1.1\r\nHost: a\r\n"
        b"Connection: Upgrade, close\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    answer = talk(door.port, sent)
    assert answer
    assert not answer.startswith(b"HTTP/1.1 101")


def test_client_that_leaves_ends_the_upstreams_work(door: FrontDoor) -> None:
    """When the client is gone its request is cancelled, and the log says 499."""
    with pytest.raises(httpx.ReadTimeout):
        plain.get(f"{door.url}/hangs", timeout=0.3)
    until = time.monotonic() + 5
    while not left(door, "/hangs"):
        assert time.monotonic() < until
        time.sleep(0.02)
    shown = plain.get(f"{door.admin_url}/-/upstreams").json()["upstreams"]["hanging"]
    assert shown["inflight"] == 0


def left(door: FrontDoor, path: str) -> bool:
    """Whether the log says that a client of this path went away."""
    lines = map(json.loads, door.access_log.read_text().splitlines())
    return any((line["path"], line["status"]) == (path, 499) for line in lines)


def test_http_1_0_client_gets_what_it_understands(door: FrontDoor) -> None:
    """No chunks and no kept connection for HTTP/1.0, unless it asks for the latter."""
    answer = talk(door.port, b"GET /events HTTP/1.0\r\n\r\n", patience=6)
    assert b"Transfer-Encoding" not in answer
    assert answer.endswith(b"data: 0\n\ndata: 1\n\ndata: 2\n\n")
    twice = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + b"GET /2 HTTP/1.0\r\n\r\n"
    assert talk(door.port, twice).count(b"HTTP/1.1 200") == 2


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """A certificate authority of our own and the folder with its certificates."""
    folder = tmp_path_factory.mktemp("ca")
    made = trustme.CA()
    made.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = made.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    client = made.issue_cert("client@example.com")
    client.private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
    return made, folder


@pytest.fixture(scope="module")
def behind(
    upstream: Origin,
    authority: tuple[trustme.CA, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FrontDoor]:
    """Speaks TLS: what is behind the doors below."""
    _, folder = authority
    tls = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    document = {
        "listen": [{"tls": tls}],
        "upstreams": {"up": {"instances": [{"address": upstream.address}]}},
        "routes": [ALL],
    }
    with front_door(tmp_path_factory.mktemp("behind"), document) as running:
        yield running


def in_front(behind: FrontDoor, ca: Path) -> dict[str, Any]:
    """The document of a door before that one; ``ca`` vouches for it."""
    instance = {"address": f"localhost:{behind.port}"}
    return {
        "upstreams": {"up": {"instances": [instance], "tls": {"ca": str(ca)}}},
        "routes": [ALL],
    }


@pytest.mark.parametrize("client_certificate", [False, True])
def test_tls_on_both_sides(
    client_certificate: bool,
    behind: FrontDoor,
    authority: tuple[trustme.CA, Path],
    tmp_path: Path,
) -> None:
    """HTTPS in, verified HTTPS out, and with a client authority nobody without its certificate."""
    _, folder = authority
    tls = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    outer = {**tls, "client_ca": str(folder / "ca.pem")} if client_certificate else tls
    document = {"listen": [{"tls": outer}], **in_front(behind, folder / "ca.pem")}
    with front_door(tmp_path, document) as door:
        check_tls(door, folder, client_certificate=client_certificate)


def check_tls(door: FrontDoor, folder: Path, *, client_certificate: bool) -> None:
    """Ask over TLS, with the certificate that is needed and without."""
    url = f"https://localhost:{door.port}/"
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if client_certificate:
        with pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)):
            httpx.get(url, verify=context)
        context.load_cert_chain(str(folder / "client.pem"))
    answer = httpx.get(url, verify=context)
    assert answer.text == "GET /"
    plain = talk(door.port, GET % b"/")
    assert b"200" not in plain


def test_upstream_with_a_wrong_certificate_is_not_spoken_to(
    behind: FrontDoor, upstream: Origin, tmp_path: Path
) -> None:
    """A certificate of another authority ends in 502, and nothing of the request is sent."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with front_door(tmp_path / "outer", in_front(behind, other)) as door:
        answer = plain.get(f"{door.url}/unheard-of")
        assert answer.status_code == 502
        assert answer.json()["code"] == "upstream_unreachable"
        assert [got for got in upstream.got if got.target == "/unheard-of"] == []


def test_unix_sockets_on_both_sides(tmp_path: Path) -> None:
    """A listener and an upstream may be unix sockets."""
    with origin() as upstream:
        path = tmp_path / "s"
        inner = {
            "listen": [{}, {"address": f"unix:{path}"}],
            "upstreams": {"up": {"instances": [{"address": upstream.address}]}},
            "routes": [ALL],
        }
        with front_door(tmp_path / "inner", inner):
            document = {
                "upstreams": {"up": {"instances": [{"address": f"unix:{path}"}]}},
                "routes": [ALL],
            }
            with front_door(tmp_path / "outer", document) as door:
                assert plain.get(door.url).text == "ok"


def overrun(got: Got) -> bytes | Iterator[Step]:
    """Five thousand bytes: announced, or coming as a surprise."""
    if got.target == "/overrun/announced":
        return ok(b"x" * 5000)
    return iter((b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 900, 0.1, b"x" * 4100, CLOSE))


def test_answer_that_overruns_its_limit_is_refused_or_cut(door: FrontDoor) -> None:
    """``response_bytes`` bounds what an upstream can push through."""
    refused = plain.get(f"{door.url}/overrun/announced")
    assert (refused.status_code, refused.json()["code"]) == (502, "upstream_bad_answer")
    with pytest.raises(httpx.RemoteProtocolError):
        plain.get(f"{door.url}/overrun/streamed")
