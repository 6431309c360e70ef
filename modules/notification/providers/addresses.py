"""Keeps webhooks out of the shop's own network (SSRF): only public addresses are connected to.

The name is resolved here, every address it has is checked, and the connection goes to the one
that was checked: resolving twice would let a name change its mind in between.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

Resolver = Callable[[str, int], list[str]]


class AddressRefused(ValueError):
    """Webhooks do not go there; the message says why."""


class NameUnknown(OSError):
    """The name cannot be resolved now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect. ``url`` names the checked address; ``host`` is for Host and TLS."""

    url: str
    host: str
    netloc: str


def resolve(host: str, port: int) -> list[str]:
    """The addresses of ``host``. Raises NameUnknown."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise NameUnknown(f"{host} cannot be resolved") from error
    return [str(entry[4][0]) for entry in found]


def check_url(url: str, *, allow_private: bool = False) -> tuple[str, int]:
    """Host and port of a URL that webhooks may name. Raises AddressRefused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise AddressRefused("the address cannot be read") from error
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        raise AddressRefused("the address must start with https://")
    if not host or parts.username or parts.password:
        raise AddressRefused("the address must name a host and no user")
    if not allow_private and _is_literal(host) and not is_public(host):
        raise AddressRefused("the address is not a public one")
    return host, port or (443 if parts.scheme == "https" else 80)


def pin(url: str, *, resolver: Resolver = resolve, allow_private: bool = False) -> Target:
    """The URL with its host replaced by a checked address.

    Raises AddressRefused, and NameUnknown when the name cannot be resolved now.
    """
    host, port = check_url(url, allow_private=allow_private)
    addresses = resolver(host, port)
    if not addresses:
        raise NameUnknown(f"{host} has no address")
    for address in addresses:
        if not allow_private and not is_public(address):
            raise AddressRefused(f"{host} leads to {address}, which is not a public address")
    parts = urlsplit(url)
    literal = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    pinned = urlunsplit(parts._replace(netloc=f"{literal}:{port}"))
    return Target(url=pinned, host=host, netloc=parts.netloc)


def is_public(address: str) -> bool:
    """Whether the address is out on the internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            ip = inner
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
