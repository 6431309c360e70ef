"""What the front door answers by itself, and what it raises.

ProxyError
├── TableRefused          a document that cannot be used; the table in force stays
├── KeysUnavailable       published keys could not be read
├── AdminUnavailable      the admin listener cannot be opened
├── RecordingUnreadable   a recorded pair is not of the known form
├── FleetError            what the control plane asked cannot be done; its tree is in control/fleet
└── UpstreamFailed        one attempt failed
    ├── ConnectFailed     nothing was sent
    ├── ConnectionLost    the answer did not come, or not whole
    ├── BadAnswer         what came is not HTTP/1.1
    ├── TimedOut          the attempt's time was up
    ├── NoInstance        every instance is down, ejected, resting or tried already
    └── Overloaded        the bulkhead and its queue are full

An ordinary refusal is a value (``Refusal``), not an exception: it is made on the data path.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

Field = tuple[bytes, bytes]
PROBLEM = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is answered here. ``code`` is stable; ``detail`` is for people."""

    status: int
    code: str
    detail: str
    headers: tuple[Field, ...] = ()

    def body(self, request_id: str) -> bytes:
        """RFC 9457, the same members as the shop's own problems."""
        problem = {
            "type": f"/api/v1/problems#{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": request_id,
        }
        return json.dumps(problem, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault of a document: where (``$.routes[2].prefix``, line if known) and why."""

    path: str
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.path}: {self.reason}"


class ProxyError(Exception):
    """The root of what this package raises."""


class TableRefused(ProxyError):
    """The document has faults; ``findings`` names all of them."""

    def __init__(self, findings: Sequence[Finding], source: str = "the document") -> None:
        self.findings = tuple(findings)
        lines = "\n".join(f"  {finding}" for finding in self.findings)
        super().__init__(f"{source} is refused:\n{lines}")


class KeysUnavailable(ProxyError):
    """The published keys could not be read."""


class UpstreamFailed(ProxyError):
    """One attempt at an upstream failed. ``sent`` says whether the upstream may have seen it."""

    status = 502
    code = "upstream_failed"
    sent = True
    retry_after = 0.0  # seconds; 0 when nobody can tell


class ConnectFailed(UpstreamFailed):
    """No connection; nothing was sent."""

    code = "upstream_unreachable"
    sent = False


class ConnectionLost(UpstreamFailed):
    """The connection ended before the answer was whole."""

    code = "upstream_lost"


class BadAnswer(UpstreamFailed):
    """What the upstream sent cannot be passed on."""

    code = "upstream_bad_answer"


class TimedOut(UpstreamFailed):
    """The time of the attempt or of the request was up."""

    status = 504
    code = "upstream_timeout"


class NoInstance(UpstreamFailed):
    """No instance may be asked now."""

    status = 503
    code = "upstream_unavailable"
    sent = False


class Overloaded(UpstreamFailed):
    """The upstream works on as much as it may, and enough wait already."""

    status = 503
    code = "upstream_overloaded"
    sent = False
