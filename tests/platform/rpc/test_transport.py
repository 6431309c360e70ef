"""One HTTP exchange: connections kept and renewed, TLS, large bodies, cut and odd answers."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from modules.platform.resilience import Deadline
from modules.platform.rpc.transport import Address, NoAnswer, Transport
from tests.platform.rpc.scripted import scripted

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"


class Server(ThreadingHTTPServer):
    """Echoes bodies; counts connections; ``hangs_up`` after each answer without saying so."""

    daemon_threads = False
    connections = 0
    hangs_up = False
    chunked = False
    ended = 0

    def shutdown_request(self, request: object) -> None:
        super().shutdown_request(request)  # type: ignore[arg-type]
        self.ended += 1

    @property
    def port(self) -> int:
        return self.server_port


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        if self.server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        self.close_connection = self.server.hangs_up

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport(max_bytes=5_000_000)
    yield transport
    transport.close()


def post(transport: Transport, url: str, body: bytes = b"{}", seconds: float = 5) -> bytes:
    return transport.post(Address.of(url, "/x"), [], body, Deadline.within(seconds)).body


def test_a_connection_is_kept(transport: Transport) -> None:
    """Many exchanges, one connection; also where answers come in chunks."""
    with serving() as server:
        for server.chunked in (False, True):
            assert post(transport, f"http://127.0.0.1:{server.port}", b"abc") == b"abc"
            assert post(transport, f"http://127.0.0.1:{server.port}", b"") == b""
        assert server.connections == 1
        transport.close()


def test_a_connection_that_ended_meanwhile_is_not_used(transport: Transport) -> None:
    """No exchange is lost to a server that hangs up on the idle."""
    with serving() as server:
        server.hangs_up = True
        for count in range(1, 6):
            assert post(transport, f"http://127.0.0.1:{server.port}", b"abc") == b"abc"
            while server.ended < count:
                threading.Event().wait(0.01)
        assert server.connections == 5
        transport.close()


def test_what_was_said_unasked_is_no_answer(transport: Transport) -> None:
    """A connection on which more came than an answer is not used again."""
    extra = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
    with scripted(OK + b"\r\nok", 0.1, extra, 0.2) as one:
        assert post(transport, one.url) == b"ok"
        threading.Event().wait(0.2)
        assert post(transport, one.url) == b"ok"
        assert one.asked == 2


def test_large_bodies_pass(transport: Transport) -> None:
    """In pieces."""
    body = b"x" * 3_000_000
    with serving() as server:
        assert post(transport, f"http://127.0.0.1:{server.port}", body, 20) == body
        transport.close()


def test_tls_is_verified(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the authorities of this machine, which SSL_CERT_FILE names; by the host's name."""
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(context) as server:
        url = f"https://127.0.0.1:{server.port}"
        with authority.cert_pem.tempfile() as trusted:
            monkeypatch.setenv("SSL_CERT_FILE", trusted)
            assert post(transport, url, b"abc") == b"abc"
        transport.close()
        with stranger.cert_pem.tempfile() as other:
            monkeypatch.setenv("SSL_CERT_FILE", other)
            with pytest.raises(NoAnswer) as refused:
                post(Transport(max_bytes=10), url)
    assert not refused.value.sent


@pytest.mark.parametrize(
    "script",
    [
        (OK + b"\r\no",),
        (OK,),
        (b"HTTP/1.1 200 OK\r\n\r\nwhole?",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",),
        (b"\x16\x03\x01",),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,),
    ],
)
def test_half_an_answer_is_none(transport: Transport, script: tuple[bytes, ...]) -> None:
    """Cut off in the body or the head, of unknown length, or nothing like HTTP."""
    with scripted(*script) as one, pytest.raises(NoAnswer) as caught:
        post(transport, one.url)
    assert (caught.value.sent, caught.value.in_time) == (True, True)


def test_nobody_there_was_not_sent(transport: Transport) -> None:
    """The module did not hear of it."""
    with pytest.raises(NoAnswer, match="no connection") as caught:
        post(transport, "http://127.0.0.1:1")
    assert (caught.value.sent, caught.value.in_time) == (False, True)


@pytest.mark.parametrize("base", ["ftp://x", "127.0.0.1:80", "http://", "http://x:port"])
def test_an_address_that_is_none_is_refused(base: str) -> None:
    """When it is first seen."""
    with pytest.raises(ValueError, match=r"."):
        Address.of(base, "/x")


def test_addresses_of_both_kinds_are_taken_apart() -> None:
    """IPv6 keeps its brackets in the request, and not where the socket goes."""
    found = Address.of("http://[::1]:8101", "/rpc/a/b")
    assert (found.host, found.port, found.is_secure) == ("::1", 8101, False)
    assert b"Host: [::1]:8101\r\n" in found.head
    assert Address.of("https://payment.internal", "/").port == 443


def test_connections_that_nobody_needs_are_closed(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those to a host that has gone out of use end when others are used."""
    monkeypatch.setattr("modules.platform.rpc.transport.IDLE", 0.05)
    with serving() as old, serving() as new:
        post(transport, f"http://127.0.0.1:{old.port}")
        until = time.monotonic() + 10
        while not old.ended and time.monotonic() < until:
            post(transport, f"http://127.0.0.1:{new.port}")
        assert old.ended == 1
        transport.close()
