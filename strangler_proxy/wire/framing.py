"""What a head says of the body behind it and of the connection (RFC 9112 sections 6 and 9)."""

from __future__ import annotations

from typing import Final

from strangler_proxy.errors import Refusal
from strangler_proxy.wire.heads import LOWER, Head, RequestHead, joined

_MEMORY = 4096  # lengths remembered
_ONLY_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding"})
_PLAIN_OPTIONS: Final = {b"keep-alive": True, b"Keep-Alive": True, b"close": False, b"Close": False}


class BadHead(Exception):
    """A head that is refused; carries the answer."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(status, code, detail)


def take_framing(head: Head, headers: dict[bytes, bytes]) -> None:
    """How long the body is, and what becomes of the connection (RFC 9112 section 6)."""
    listed = headers.get(b"connection")
    if listed is not None:
        head.keep_alive = _keeps_alive(listed, head.minor)
    length = headers.get(b"content-length")
    if length is not None:
        head.length = _lengths.get(length) or _length(length)
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        head.chunked = True
        _check_coding(head, coding)


_lengths: Final[dict[bytes, int]] = {}


def _length(told: bytes) -> int:
    """The number; httptools has seen that it is one."""
    number = int(told)
    if len(_lengths) < _MEMORY:
        _lengths[told] = number
    return number


def repeated(head: Head, count: int, limit: int) -> dict[bytes, bytes]:
    """Some field came more than once: keep all. Raises BadHead for those that may not."""
    if count > limit:
        raise BadHead(431, "too_many_fields", f"More than {limit} header fields.")
    names = [LOWER[name] for name, _ in head.pairs]
    for name in _ONLY_ONCE:
        if names.count(name) > 1:
            raise BadHead(400, "repeated_field", f"{name.decode()} stands there twice.")
    head.headers = joined(head.pairs)
    return head.headers


def _check_coding(head: Head, coding: bytes) -> None:
    """What a smuggler could use is refused (RFC 9112 sections 6.1 and 6.3)."""
    if coding.strip().lower() != b"chunked":
        raise BadHead(501, "coding_unknown", "The only transfer coding read here is chunked.")
    if isinstance(head, RequestHead) and head.minor == 0:
        raise BadHead(400, "malformed_request", "HTTP/1.0 has no transfer codings.")
    if head.length >= 0:
        raise BadHead(400, "malformed_request", "Both a length and a transfer coding.")


def _keeps_alive(listed: bytes, minor: int) -> bool:
    known = _PLAIN_OPTIONS.get(listed)
    if known is not None and minor == 1:
        return known
    options = listed.lower()
    return b"close" not in options and (minor == 1 or b"keep-alive" in options)
