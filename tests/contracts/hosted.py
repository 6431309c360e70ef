"""A host of modules over real HTTP: a server in a thread of this process, the shop's own addresses.

It shares the process with the test, so its clocks, settings and bindings are the test's own, and
works on the same database over connections of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.test.testcases import QuietWSGIRequestHandler
from django.test.utils import override_settings

from modules.platform.keys import KeyRing
from modules.platform.rpc.serving import gate

ISSUER = "caller"


class _Server(ThreadedWSGIServer):
    daemon_threads = False  # server_close() waits for them, and so for their connections


class Hosted:
    """A running host at ``address``; ``caller_keys`` are those whose calls it believes."""

    def __init__(self, address: tuple[str, int], caller_keys: KeyRing) -> None:
        self.address = address
        self.caller_keys = caller_keys

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"


@contextmanager
def hosted(home: Path) -> Iterator[Hosted]:
    """Serve for a while; connections to it must be closed first."""
    ring = KeyRing(home / ISSUER)
    ring.signing()
    server = _Server(("127.0.0.1", 0), QuietWSGIRequestHandler, connections_override={})
    server.set_app(WSGIHandler())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Hosted(server.server_address[:2], ring)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def trusting(host: Hosted) -> Iterator[None]:
    """This process's settings are a host's that answers ``host.caller_keys``."""
    with override_settings(
        ROOT_URLCONF="shop.urls",
        SERVICE_TRUST=f"{ISSUER}={host.caller_keys.directory}",
        SERVICE_KEYS_DIR=str(host.caller_keys.directory.parent / "own"),
    ):
        gate.cache_clear()
        try:
            yield
        finally:
            gate.cache_clear()
