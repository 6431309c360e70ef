"""An instance of a service, as whoever looks for one sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


class Role(StrEnum):
    """Whose database an instance is bound to, for life."""

    ORIGIN = "origin"  # the monolith's schema: only the compute has moved
    OWN = "own"  # the service's own database


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One process group that answers for ``module`` at ``url`` (scheme, host, port; no path).

    ``version`` is the host's release, ``contract`` the fingerprint of the contract that it serves,
    ``capacity`` how many calls it takes at once, ``grpc_url`` (``grpc://host:port``) where it also
    answers over gRPC; empty: it does not.
    """

    id: str
    module: str
    url: str
    role: Role
    version: str = ""
    contract: str = ""
    capacity: int = 8
    grpc_url: str = ""

    @property
    def address(self) -> str:
        """``host:port`` of the url; ``[host]:port`` for IPv6. Raises ValueError for a bad port."""
        return address_of(self.url)


def address_of(url: str) -> str:
    """``host:port`` that ``url`` leads to. Raises ValueError when it leads to none."""
    parts = urlsplit(url)
    port = PORTS.get(parts.scheme) if parts.port is None else parts.port
    if not parts.hostname or not port:
        raise ValueError(f"{url!r} is not like http://host:port")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{port}"


class Source(Protocol):
    """Knows instances. Never blocks on a network: what it knows now, by module."""

    def instances(self, module: str) -> tuple[Instance, ...]:
        """The live instances of ``module``; empty when none is known."""
        ...
