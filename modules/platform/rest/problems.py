"""Errors as clients see them: RFC 9457 ``application/problem+json``, never an HTML page.

The HTTP status of a contract's error is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from django.http import Http404, HttpResponse
from rest_framework import exceptions as drf

from modules.platform.contracts import (
    Conflict,
    ContractError,
    DeadlineExceeded,
    Fenced,
    Forbidden,
    Invalid,
    Moved,
    NotFound,
    StaleVersion,
    Unavailable,
    current_context,
)

CONTENT_TYPE = "application/problem+json"
# The most specific kind first.
STATUS: tuple[tuple[type[ContractError], int], ...] = (
    (DeadlineExceeded, 504),
    (Moved, 421),
    (Unavailable, 503),
    (StaleVersion, 412),
    (NotFound, 404),
    (Forbidden, 403),
    (Invalid, 422),
    (Conflict, 409),
)
TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "Conflict",
    411: "Length required",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    421: "Misdirected",
    422: "Invalid",
    428: "Precondition required",
    429: "Too many requests",
    431: "Head too long",
    500: "Internal error",
    502: "No usable answer",
    503: "Unavailable",
    504: "Timed out",
}


class FieldError(msgspec.Struct, kw_only=True, frozen=True):
    """What is wrong with one field. ``pointer`` is a JSON pointer into the body, or
    ``query/<name>`` or ``header/<name>``."""

    pointer: str
    code: str
    detail: str


class ProblemBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An RFC 9457 problem. ``code`` is stable; ``detail`` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[FieldError] = []


class Problem(Exception):
    """An error that the edge itself finds. Raised, it becomes the response."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.headers = tuple(errors), dict(headers or {})

    @classmethod
    def unauthorized(
        cls, detail: str = "Send an access token, an API key or a Cart-Token."
    ) -> Problem:
        return cls(401, "unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})

    @classmethod
    def forbidden(cls, scopes: Sequence[str]) -> Problem:
        return cls(403, "forbidden", f"This needs the scope {' or '.join(scopes)}.")

    @classmethod
    def not_found(cls, detail: str = "There is nothing at this address.") -> Problem:
        return cls(404, "not_found", detail)

    @classmethod
    def invalid(cls, pointer: str, detail: str, *, code: str = "invalid") -> Problem:
        error = FieldError(pointer=pointer, code=code, detail=detail)
        return cls(422, "invalid_request", f"{pointer}: {detail}", errors=[error])

    @classmethod
    def without_database(cls) -> Problem:
        """Whether the request was done is not known where it was lost on the way."""
        detail = "The database does not answer. Send this again, with its Idempotency-Key if any."
        return cls(503, "database_unavailable", detail, headers={"Retry-After": "1"})

    @classmethod
    def of(cls, error: ContractError, *, module: str = "") -> Problem:
        """A contract's error as a problem. ``module`` is the one whose operation was asked.

        To the front door, its own fence or move says: nothing was done here, send it again. That
        of a module which was called on the way does not, for the caller may have done its part.
        """
        status = status_of(type(error))
        headers = {"Retry-After": "1"} if error.retryable else {}
        if isinstance(error, Fenced | Moved):
            own = error.module == module
            status = status if own else 503
            headers |= {f"Ficus-{type(error).__name__}": str(error.epoch)} if own else {}
        return cls(status, error.code, error.sentence(), headers=headers)

    def response(self) -> HttpResponse:
        """The HTTP response for this problem."""
        body = ProblemBody(
            type=f"/api/v1/problems#{self.code}",
            title=TITLES.get(self.status, "Error"),
            status=self.status,
            code=self.code,
            detail=self.detail,
            request_id=current_context().request_id or "",
            errors=list(self.errors),
        )
        return HttpResponse(
            msgspec.json.encode(body),
            status=self.status,
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )


def status_of(error: type[ContractError]) -> int:
    """The HTTP status of a contract's error: by its kind, 500 for one without a kind."""
    return next((status for kind, status in STATUS if issubclass(error, kind)), 500)


DRF_CODES: dict[type[Exception], str] = {
    drf.ParseError: "malformed_body",
    drf.NotAuthenticated: "unauthenticated",
    drf.AuthenticationFailed: "unauthenticated",
    drf.PermissionDenied: "forbidden",
    drf.NotFound: "not_found",
    drf.MethodNotAllowed: "method_not_allowed",
    drf.NotAcceptable: "not_acceptable",
    drf.UnsupportedMediaType: "unsupported_media_type",
    drf.Throttled: "too_many_requests",
}


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's hook: what a view raised as a problem; None (a 500) for what nobody foresaw."""
    if isinstance(error, Problem):
        return error.response()
    if isinstance(error, ContractError):
        module = getattr(context.get("view"), "module", "")
        return Problem.of(error, module=module).response()
    if isinstance(error, Http404):
        return Problem.not_found().response()
    if isinstance(error, drf.APIException):
        return _from_drf(error).response()
    return None


def _from_drf(error: drf.APIException) -> Problem:
    code = next((c for kind, c in DRF_CODES.items() if isinstance(error, kind)), "error")
    challenge = getattr(error, "auth_header", None)
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    return Problem(error.status_code, code, str(error.detail), headers=headers)
