"""A registry behind a real socket, whose requests are believed by name."""

from __future__ import annotations

import threading
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.http import HttpRequest

from modules.platform.contracts.schema import Snapshot, dump, load
from modules.platform.discovery.client import RegistryClient
from modules.platform.discovery.compatibility import Contracts, fingerprint_of, schema_of
from modules.platform.discovery.instances import Instance, Role
from modules.platform.discovery.wire import Announcement
from modules.platform.rest.problems import Problem
from tests.platform.discovery.places import ROOT


class NamedGate:
    """``Authorization: Bearer payment`` comes from payment. Signatures are tested elsewhere."""

    def authorize(self, request: HttpRequest) -> str:
        kind, _, name = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not name:
            raise Problem.unauthorized("Send a service token.")
        return name


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class RegistryServer:
    """Serves the registry's addresses until it is stopped; keeps its port."""

    def __init__(self) -> None:
        self.port = 0
        self._server: ThreadedWSGIServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/registry"

    def start(self) -> None:
        self._server = ThreadedWSGIServer(
            ("127.0.0.1", self.port), _Quiet, ipv6=False, allow_reuse_address=True
        )
        self._server.daemon_threads = True
        self._server.set_app(WSGIHandler())
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    def client(self, issuer: str = "payment") -> RegistryClient:
        return RegistryClient(self.url, token=lambda call, body: issuer)


PAYMENT = schema_of("payment", ROOT)
FINGERPRINT = fingerprint_of(PAYMENT)[1]


def contracts() -> Contracts:
    """Those of this tree."""
    return Contracts.below(ROOT)


def said(**other: Any) -> Announcement:
    """What an instance of payment says."""
    given = {"module": "payment", "url": "http://127.0.0.1:9001", "role": Role.OWN}
    return Announcement(**given | other)


def instance(id: str, **other: Any) -> Instance:
    """An instance of payment."""
    given = {"id": id, "module": "payment", "url": f"http://{id}:80", "role": Role.OWN}
    return Instance(**given | other)


def changed(**fields: Any) -> tuple[str, str]:
    """Payment's contract with some parts changed: its fingerprint and text."""
    snapshot = load(PAYMENT)
    values = {name: getattr(snapshot, name) for name in Snapshot.__dataclass_fields__}
    text = dump(Snapshot(**values | fields))
    return fingerprint_of(text)[1], text


def incompatible() -> tuple[str, str]:
    """A contract of payment whose first method has another result."""
    methods = dict(load(PAYMENT).methods)
    name = sorted(methods)[0]
    methods[name] = type(methods[name])(parameters=methods[name].parameters, returns="boolean")
    return changed(methods=methods)


def newer() -> tuple[str, str]:
    """A contract of payment with one more error."""
    errors = dict(load(PAYMENT).errors)
    name = sorted(errors)[0]
    return changed(errors=errors | {"BankIsShut": errors[name]})
