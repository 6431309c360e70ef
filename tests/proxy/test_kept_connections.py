"""Connections to an upstream are made once, also when many requests are under way at once."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from pathlib import Path

from tests.proxy.client import PATIENCE
from tests.proxy.front import front_door
from tests.proxy.origin import Got, ok, origin
from tests.proxy.stage import instances, route

AT_ONCE = 300  # requests, each answered when all of them have arrived
REQUEST = b"GET /busy HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_what_worked_at_once_is_not_dialled_anew(tmp_path: Path) -> None:
    """The next crowd of the same size finds as many connections as the one before has left."""
    met = threading.Barrier(AT_ONCE)

    def respond(got: Got) -> bytes:
        met.wait(PATIENCE)
        return ok()

    with origin(respond) as upstream, ExitStack() as stack:
        document = {
            "version": 1,
            "upstreams": {"busy": instances(upstream)},
            "routes": [route("busy", upstream="busy")],
        }
        door = stack.enter_context(front_door(tmp_path / "door", document))
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", door.port), PATIENCE))
            for _ in range(AT_ONCE)
        ]
        for _ in range(3):
            for client in clients:
                client.sendall(REQUEST)
            for client in clients:
                assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert upstream.connections == AT_ONCE
