"""Who the client is, and what the upstream is told of it.

What a client says of itself is believed only if it is a trusted proxy; all else is replaced.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
VIA = b"Via: 1.1 ficus\r\n"


class Peer:
    """The other end of a client's connection; ``lines`` are ready for the upstream's head."""

    __slots__ = ("address", "lines", "secure", "trusted")

    def __init__(self, address: str, *, secure: bool, trusted: bool) -> None:
        self.address = address
        self.secure = secure
        self.trusted = trusted
        self.lines = forwarded_lines(address.encode(), secure=secure)


def forwarded_lines(chain: bytes, *, secure: bool) -> bytes:
    """``chain``: the addresses from the client on, with commas."""
    proto = b"https" if secure else b"http"
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n%b" % (chain, proto, VIA)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Raises ValueError naming the text that is no network."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def is_within(address: str, among: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in among if network.version == parsed.version)


def client_address(peer: str, chain: bytes, among: Sequence[Network]) -> str:
    """The last address of the chain that no trusted proxy vouches for; ``peer`` if it is broken."""
    address = peer
    for entry in reversed(chain.split(b",")):
        candidate = entry.strip().decode("latin-1")
        try:
            ipaddress.ip_address(candidate)
        except ValueError:
            return address
        address = candidate
        if not is_within(candidate, among):
            return address
    return address
