"""Who the client is, and what the upstream is told of it.

What a client says of itself is believed only if it is a trusted proxy; all else is replaced.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
VIA = b"Via: 1.1 ficus\r\n"
UNIX = "unix"  # the address of who comes by a unix socket
TRUSTED_UNIX = "unix:"  # how a document says that they are trusted


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


class TrustedProxies:
    """Who is believed about clients: networks, and ``unix:`` for who comes by a unix socket."""

    __slots__ = ("_networks", "_unix_too")

    def __init__(self, texts: Sequence[str]) -> None:
        """Raises ValueError naming the text that is no network."""
        self._unix_too = TRUSTED_UNIX in texts
        self._networks: tuple[Network, ...] = tuple(
            ipaddress.ip_network(text, strict=False) for text in texts if text != TRUSTED_UNIX
        )

    def has(self, address: str) -> bool:
        """Whether a peer of this address is one of them."""
        if address == UNIX:
            return self._unix_too
        if not self._networks:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in one for one in self._networks if one.version == parsed.version)

    def client_of(self, peer: str, chain: bytes) -> str:
        """The last address of the chain that none of them has; ``peer`` if it is broken."""
        address = peer
        for entry in reversed(chain.split(b",")):
            candidate = entry.strip().decode("latin-1")
            if candidate == TRUSTED_UNIX:  # as nginx writes it
                candidate = UNIX
            trusted = self.has(candidate)
            if not trusted and not _is_address(candidate):
                return address
            address = candidate
            if not trusted:
                return address
        return address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
