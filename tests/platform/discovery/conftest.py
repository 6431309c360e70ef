"""A gate that believes names, and servers that may be away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from modules.platform.discovery.access import install_gate
from tests.platform.discovery.serving import NamedGate, RegistryServer


@pytest.fixture(autouse=True)
def _gate() -> Iterator[None]:
    before = install_gate(NamedGate())
    yield
    install_gate(before)


@pytest.fixture
def server(transactional_db: None) -> Iterator[RegistryServer]:
    """A real HTTP server of the registry; ``stop()`` and ``start()`` keep its port."""
    running = RegistryServer()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def elsewhere() -> Iterator[Callable[[int, str], str]]:
    """``elsewhere(200, "text")``: the url of a real server that answers everything so."""
    servers: list[tuple[HTTPServer, threading.Thread]] = []

    def serve(status: int, text: str) -> str:
        server = HTTPServer(("127.0.0.1", 0), _answering(status, text.encode()))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def _answering(status: int, body: bytes) -> type[BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_POST = do_DELETE = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Answer
