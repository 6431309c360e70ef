"""What an unsafe request makes worthless (RFC 9111 section 4.4)."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from strangler_proxy.cache.freshness import Headers
from strangler_proxy.cache.memory import Place
from strangler_proxy.cache.planning import Request

SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})
REMEMBERED = 10_000
_PORT = re.compile(r":\d*\Z")


def places(request: Request, headers: Headers) -> Iterator[Place]:
    """The URI of the request, and those of the same host that the answer names."""
    yield request.target, request.host, request.secure
    for name in (b"location", b"content-location"):
        reference = headers.get(name)
        if reference is not None:
            target = _target(request, reference)
            if target is not None:
                yield target, request.host, request.secure


def _target(request: Request, reference: bytes) -> bytes | None:
    """Where on the request's own host a reference leads, or None if elsewhere."""
    host = request.host.decode("latin-1")
    own = f"http://{host}" + request.target.decode("latin-1")
    try:
        parts = urlsplit(urljoin(own, reference.decode("latin-1")))
    except ValueError:
        return None
    if _PORT.sub("", parts.netloc.lower()) != host:
        return None
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.path or '/'}{query}".encode("latin-1")


class Invalidated:
    """When which URI was invalidated: an answer asked for before that is not stored after it."""

    def __init__(self) -> None:
        self._times: OrderedDict[Place, float] = OrderedDict()

    def add(self, place: Place, now: float) -> None:
        """Remember it, at the cost of the oldest."""
        self._times[place] = now
        self._times.move_to_end(place)
        if len(self._times) > REMEMBERED:
            self._times.popitem(last=False)

    def since(self, place: Place, asked: float) -> bool:
        """Whether it happened at or after ``asked``."""
        return self._times.get(place, -1.0) >= asked
