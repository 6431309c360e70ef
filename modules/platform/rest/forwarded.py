"""Who the client is where a front door stands between: believed of trusted peers only.

``REMOTE_ADDR`` becomes the client's own address, so that lockout, sessions and logs need not know
that there is a front door. What anybody else says of forwarding is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Networks = tuple[IPv4Network | IPv6Network, ...]
HEADERS = tuple(
    f"HTTP_{name}"
    for name in ("FORWARDED", "X_FORWARDED_FOR", "X_FORWARDED_PROTO", "X_FORWARDED_HOST")
)


class ForwardedMiddleware:
    """Outermost: before anything looks at the address or at ``is_secure()``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._trusted = networks(settings.TRUSTED_PROXIES)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        peer = meta.get("REMOTE_ADDR", "")
        if is_within(peer, self._trusted):
            chain = meta.get("HTTP_X_FORWARDED_FOR", "")
            meta["REMOTE_ADDR"] = client_address(peer, chain, self._trusted)
        else:
            for name in HEADERS:
                meta.pop(name, None)
        return self.get_response(request)


def address_of(request: HttpRequest) -> str:
    """The client's address: what AXES_CLIENT_IP_CALLABLE names."""
    return str(request.META.get("REMOTE_ADDR", ""))


def networks(texts: Sequence[str]) -> Networks:
    """Raises ValueError naming the text that is no network."""
    return tuple(ip_network(text, strict=False) for text in texts)


@lru_cache(maxsize=1024)
def is_within(address: str, among: Networks) -> bool:
    """Whether one of the networks has the address; what is no address is in none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in among if network.version == parsed.version)


def client_address(peer: str, chain: str, trusted: Networks) -> str:
    """The last address of ``X-Forwarded-For`` that no trusted proxy has; as far as it is readable.

    What stands further left was said by the client itself.
    """
    address = peer
    for entry in reversed(chain.split(",")):
        try:
            address = str(ip_address(entry.strip()))
        except ValueError:
            break
        if not is_within(address, trusted):
            break
    return address
