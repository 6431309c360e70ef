"""Problem documents (RFC 9457) of the admin listener, and which error becomes which status."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from strangler_proxy.control.fleet import NotRegistrable, RevisionConflict, Unknown, WorkerFailed
from strangler_proxy.errors import PROBLEM, ProxyError, TableRefused

STATUSES: dict[type[ProxyError], tuple[int, str]] = {
    TableRefused: (422, "table_refused"),
    RevisionConflict: (412, "revision_conflict"),
    Unknown: (404, "unknown"),
    NotRegistrable: (409, "not_registrable"),
    WorkerFailed: (503, "worker_failed"),
}


class Problem(Exception):
    """Ends a request with this problem. ``more`` are members of its own."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self.body = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "code": code,
            "detail": detail,
            **more,
        }

    def response(self) -> Response:
        """As it is sent."""
        return Response(
            msgspec.json.encode(self.body),
            status_code=self.status,
            headers=self.headers,
            media_type=PROBLEM.decode(),
        )


async def on_problem(_request: Request, error: Exception) -> Response:
    """Raised by an endpoint."""
    if not isinstance(error, Problem):
        raise error
    return error.response()


async def on_proxy_error(_request: Request, error: Exception) -> Response:
    """Raised by the fleet."""
    if not isinstance(error, ProxyError):
        raise error
    status, code = STATUSES.get(type(error), (500, "failed"))
    more: dict[str, Any] = {}
    if isinstance(error, TableRefused):
        more["findings"] = _findings(error)
    return Problem(status, code, str(error), **more).response()


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Raised by starlette: no such path, or not with this method."""
    if not isinstance(error, HTTPException):
        raise error
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    headers = dict(error.headers or {})
    return Problem(error.status_code, code, str(error.detail), headers=headers).response()


async def on_bug(_request: Request, _error: Exception) -> Response:
    """Anything else: uvicorn logs the traceback, the caller learns no more than this."""
    return Problem(500, "failed", "This is a fault of the proxy; its log says more.").response()


def _findings(error: TableRefused) -> list[dict[str, Any]]:
    return [
        {"line": finding.line, "path": finding.path, "reason": finding.reason}
        for finding in error.findings
    ]
