"""What our own answers tell a browser whose page is of another origin (Fetch, section 3.3).

Without these lines a page cannot tell a 429 or a 401 of the front door from a broken network.
"""

from __future__ import annotations

from strangler_proxy import config

ALLOW = b"access-control-allow-origin"


class CrossOrigin:
    """The lines for each origin, made once."""

    __slots__ = ("_allowed", "_anybody", "_more")

    def __init__(self, rules: config.Cors) -> None:
        self._anybody = "*" in rules.origins
        self._allowed = frozenset(origin.encode() for origin in rules.origins)
        self._more = b""
        if rules.exposed_headers:
            exposed = ", ".join(rules.exposed_headers).encode()
            self._more = b"Access-Control-Expose-Headers: %b\r\n" % exposed
        if rules.credentials:
            self._more += b"Access-Control-Allow-Credentials: true\r\n"

    def lines(self, origin: bytes | None) -> bytes:
        """For an answer to a request with this ``Origin``."""
        if self._anybody:
            return b"Access-Control-Allow-Origin: *\r\n" + self._more
        # It depends on the origin, so no cache may give it to a page of another.
        if origin is None or origin not in self._allowed:
            return b"Vary: Origin\r\n"
        return b"Vary: Origin\r\nAccess-Control-Allow-Origin: %b\r\n%b" % (origin, self._more)
