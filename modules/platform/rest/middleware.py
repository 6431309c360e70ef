"""Keeps every answer under ``/api/`` a JSON one, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError

from modules.platform.databases.away import is_away
from modules.platform.rest.problems import CONTENT_TYPE, Problem

log = structlog.get_logger(__name__)
API = "/api/"


class ApiMiddleware:
    """Turns Django's own HTML errors into problems, and an unforeseen exception into a 500."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(API):
            return self.get_response(request)
        response = self.get_response(request)
        if response.status_code < 400 or not _is_html(response):
            return response
        return _plain(response.status_code).response()

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Django calls this with what a view let through."""
        if not request.path.startswith(API):
            return None
        if isinstance(error, Problem):
            return error.response()
        if isinstance(error, Http404):
            return Problem.not_found().response()
        if isinstance(error, RequestDataTooBig):
            return Problem(413, "too_large", "The body is larger than is taken here.").response()
        if isinstance(error, UnreadablePostError):
            return Problem(400, "cut_off", "The body ended too soon.").response()
        if isinstance(error, SuspiciousOperation):
            return Problem(400, "bad_request", "The request was refused.").response()
        if is_away(error):
            log.error("request.without_database", path=request.path, reason=str(error).strip())
            return Problem.without_database().response()
        log.exception("request.failed", path=request.path, method=request.method)
        return _plain(500).response()


def _is_html(response: HttpResponse) -> bool:
    kind = response.headers.get("Content-Type", "")
    return not kind.startswith((CONTENT_TYPE, "application/json"))


def _plain(status: int) -> Problem:
    match status:
        case 404:
            return Problem.not_found()
        case 405:
            return Problem(405, "method_not_allowed", "This address does not know the method.")
        case 500:
            return Problem(500, "internal_error", "Something went wrong here; it was recorded.")
        case _:
            return Problem(status, "bad_request", "The request was refused.")
