"""Who may ask and who may write. Hosts install the gate; without one, nobody may write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from django.conf import settings
from django.http import HttpRequest

from modules.platform.rest.forwarded import address_of, is_within, networks
from modules.platform.rest.problems import Problem


class Gate(Protocol):
    """Knows services by what their requests carry."""

    def authorize(self, request: HttpRequest) -> str:
        """The issuer that the request proves to come from. Raises Problem 401 or 403."""
        ...


class Closed:
    """Lets nobody in."""

    def authorize(self, request: HttpRequest) -> str:
        raise Problem.unauthorized("This host has no gate for its registry: nobody may write.")


Credentials = Callable[[str, bytes], str]  # a token for one request: ``wire.call_of``, body

_gate: Gate = Closed()
_credentials: Credentials = lambda call, body: ""  # noqa: E731


def install_gate(gate: Gate) -> Gate:
    """Let ``gate`` decide from now on; returns the one before."""
    global _gate
    before, _gate = _gate, gate
    return before


def install_credentials(credentials: Credentials) -> Credentials:
    """What this host shows to a registry from now on; returns what it showed before."""
    global _credentials
    before, _credentials = _credentials, credentials
    return before


def credentials(call: str, body: bytes) -> str:
    """The token to show to a registry; empty when the host has installed none."""
    return _credentials(call, body)


def writer(request: HttpRequest) -> str:
    """The issuer of a request that changes the registry. Raises Problem 401 or 403."""
    return _gate.authorize(request)


def may_announce(issuer: str, module: str) -> bool:
    """A service speaks for the module of its own name, or for those that
    ``REGISTRY_ANNOUNCERS`` (module to issuers) grants it.
    """
    granted = getattr(settings, "REGISTRY_ANNOUNCERS", {})
    return issuer == module or issuer in granted.get(module, ())


def check_reader(request: HttpRequest) -> None:
    """From a network of ``REGISTRY_READERS`` (else TRUSTED_PROXIES), or with a service's token.

    Raises Problem 401 or 403.
    """
    readers: Sequence[str] | None = getattr(settings, "REGISTRY_READERS", None)
    trusted = settings.TRUSTED_PROXIES if readers is None else readers
    if not is_within(address_of(request), networks(trusted)):
        _gate.authorize(request)
