"""The outermost middleware: request id, trace, duration, one log line per request."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse

from modules.platform.contracts import CallContext, call_context
from modules.platform.observability.metrics import observe_request

log = structlog.get_logger("ficus.request")
_SAFE_ID = re.compile(r"^[A-Za-z0-9._\-]{1,128}$")
_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
# Asked every second or so by machines.
QUIET = ("/livez", "/readyz", "/metrics", "/static/", "/registry/instances")
# So much sooner than the front door we give up: our answer says what became of it, its 504 cannot.
WAY_BACK = timedelta(milliseconds=100)
MAX_DIGITS = 9  # of a deadline in milliseconds: 11 days


class RequestMiddleware:
    """Takes over what the front door says of a request, where it is well-formed.

    ``X-Request-Id`` (else an id is made), ``traceparent``, and ``Ficus-Deadline``: the milliseconds
    for which it still waits.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _SAFE_ID.match(given) else uuid4().hex
        trace = request.META.get("HTTP_TRACEPARENT", "")
        context = CallContext(
            request_id=request_id,
            correlation_id=request_id,
            traceparent=trace if _TRACEPARENT.match(trace) else None,
            deadline=_deadline(request.META.get("HTTP_FICUS_DEADLINE", "")),
        )
        started = time.perf_counter()
        with call_context(context):
            response = self.get_response(request)
            response["X-Request-Id"] = request_id
            self._record(request, response, time.perf_counter() - started)
        return response

    def _record(self, request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        match = request.resolver_match
        route = match.route if match else "unmatched"
        observe_request(request.method or "", route, response.status_code, seconds)
        if not request.path.startswith(QUIET):
            log.info(
                "request.served",
                method=request.method,
                path=request.path,
                status=response.status_code,
                ms=round(seconds * 1000, 1),
            )


def _deadline(given: str) -> datetime | None:
    """When to give up; None where nobody waits for a time that can be told."""
    if not (given.isascii() and given.isdigit() and 0 < len(given) <= MAX_DIGITS) or not int(given):
        return None
    return datetime.now(UTC) + timedelta(milliseconds=int(given)) - WAY_BACK
