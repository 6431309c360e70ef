"""``@operation``: what a view's method takes, gives and refuses, said once.

From the one declaration come the parsing, the access check, idempotency, ETags, rendering and
the operation's part of the OpenAPI document, so that what is documented is what runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.views import APIView

from modules.platform.contracts import ContractError, module_of
from modules.platform.rest import idempotency
from modules.platform.rest.access import Access, anybody
from modules.platform.rest.answers import Answer
from modules.platform.rest.etags import etag_of, expected_version, is_unchanged
from modules.platform.rest.pagination import Query
from modules.platform.rest.parsing import parse_body, parse_query
from modules.platform.rest.problems import Problem
from modules.platform.rest.requests import ApiRequest
from modules.platform.rest.serving import serving

Handler = Callable[..., Any]
JSON = ("application/json",)
_encoder = msgspec.json.Encoder()


class NoBody(msgspec.Struct, forbid_unknown_fields=True):
    """To an operation that takes no body: nothing, or the object without members that some clients
    cannot but send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the API.

    ``body`` and ``query`` are msgspec Structs (a view's method takes them as ``body=`` and
    ``query=``); ``returns`` maps statuses to body types, None for no body. ``errors`` are the
    contract errors it may answer with; those of the edge itself are added by the declaration.
    ``if_match``: "required" on what replaces or removes, "optional" on what adds.
    ``raw``: the media types of a body that is not JSON of a known shape; the view reads
    ``request.body`` itself. Without ``body`` and ``raw`` none is taken. ``needs_length``: nobody
    can tell from such a body whether it is whole, so one without ``Content-Length`` is refused
    (411; RFC 9110, 15.5.12). ``renders``: the answer is of this media type instead of JSON; the
    view gives the response itself, one that streams where it is long.
    """

    summary: str
    description: str = ""
    body: Any = None
    query: type[Query] = Query
    returns: Mapping[int, Any] = field(default_factory=dict)
    errors: tuple[type[ContractError], ...] = ()
    access: Access = field(default_factory=anybody)
    idempotent: bool = False
    if_match: str = ""
    etag: bool = False
    raw: tuple[str, ...] = ()
    needs_length: bool = False
    renders: str = ""
    problems: Mapping[int, str] = field(default_factory=dict)
    deprecated: date | None = None
    sunset: date | None = None
    limit: timedelta = timedelta(seconds=30)


def operation(
    summary: str, *, returns: Any = None, **declared: Any
) -> Callable[[Handler], Handler]:
    """Declare a view's method as an operation; ``returns`` is a type (200) or a mapping."""
    by_status = returns if isinstance(returns, Mapping) else {200: returns}
    declaration = Operation(summary=summary, returns=by_status, **declared)

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def handle(view: ApiView, request: ApiRequest, **path: Any) -> HttpResponseBase:
            with serving(request, limit=declaration.limit):
                return _handle(declaration, handler, view, request, path)

        handle.operation = declaration  # type: ignore[attr-defined]
        return handle

    return decorate


class ApiView(APIView):
    """The one view class. Its methods are ``@operation``s; ``module`` is found from its place."""

    module: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.module:
            cls.module = module_of(cls)


def _handle(
    declared: Operation, handler: Handler, view: ApiView, request: ApiRequest, path: dict[str, Any]
) -> HttpResponseBase:
    declared.access.check(request.actor)
    arguments = dict(path)
    query = parse_query(request.query_params, declared.query)
    if declared.query is not Query:
        arguments["query"] = query
    if declared.if_match:
        request.expected_version = expected_version(
            request.META.get("HTTP_IF_MATCH"), required=declared.if_match == "required"
        )
    arguments |= _body(declared, request)

    def run() -> HttpResponseBase:
        try:
            answer = handler(view, request, **arguments)
        except Problem as problem:
            return problem.response()
        except ContractError as error:
            return Problem.of(error, module=view.module).response()
        return _render(declared, request, answer, query.fields)

    if not declared.idempotent:
        return run()
    request.idempotency_key = idempotency.required_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))

    def run_as(subject: UUID) -> HttpResponse:
        request.subject = subject
        answer = run()
        if not isinstance(answer, HttpResponse):
            raise TypeError(f"{type(view).__name__}: what streams cannot be kept for a key")
        return answer

    return idempotency.once(
        view.module,
        actor=request.actor,
        operation=f"{request.method} {request.path}",
        key=request.idempotency_key,
        body=request.body,
        run=run_as,
    )


def _body(declared: Operation, request: ApiRequest) -> dict[str, Any]:
    """The body as the view's argument, if it takes one. What it does not take is refused as well,
    as are unknown parameters: who sends it believes that it does something."""
    if declared.raw:
        _require_type(request, declared.raw)
        if declared.needs_length and not request.META.get("CONTENT_LENGTH"):
            why = "Send a Content-Length, or a body that breaks off would pass for a whole one."
            raise Problem(411, "length_required", why)
    elif declared.body is not None:
        _require_type(request, JSON)
        return {"body": parse_body(request.body, declared.body)}
    elif request.body:
        _require_type(request, JSON)
        parse_body(request.body, NoBody)
    return {}


def _require_type(request: ApiRequest, kinds: tuple[str, ...]) -> None:
    kind = (request.META.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()
    if kind and kind not in kinds:
        wanted = " or ".join(kinds)
        raise Problem(415, "unsupported_media_type", f"Send {wanted}, not {kind}.")


def _render(declared: Operation, request: ApiRequest, answer: Any, only: str) -> HttpResponseBase:
    if isinstance(answer, HttpResponseBase):
        return answer
    if not isinstance(answer, Answer):
        answer = Answer(body=answer, status=next(iter(declared.returns), 200))
    headers = dict(answer.headers)
    if answer.version is not None:
        headers["ETag"] = etag_of(answer.version)
    if declared.deprecated:
        headers["Deprecation"] = f"@{_epoch(declared.deprecated)}"
    if declared.sunset:
        headers["Sunset"] = declared.sunset.strftime("%a, %d %b %Y 00:00:00 GMT")
    unchanged = is_unchanged(request.META.get("HTTP_IF_NONE_MATCH"), answer.version)
    if request.method == "GET" and unchanged:
        return HttpResponse(status=304, headers=headers)
    if answer.body is None:
        return HttpResponse(status=answer.status if answer.status != 200 else 204, headers=headers)
    body = _only(answer.body, only) if only and request.method == "GET" else answer.body
    return HttpResponse(
        _encoder.encode(body),
        status=answer.status,
        content_type="application/json",
        headers=headers,
    )


def _epoch(day: date) -> int:
    return (day - date(1970, 1, 1)).days * 86_400


def _only(body: Any, fields: str) -> Any:
    """Keep the named keys, of the body or of each entry of its ``data``."""
    keep = set(fields.split(","))
    plain = msgspec.to_builtins(body)
    if isinstance(plain, dict) and isinstance(plain.get("data"), list):
        return plain | {"data": [_pick(row, keep) for row in plain["data"]]}
    return _pick(plain, keep)


def _pick(row: Any, keep: set[str]) -> Any:
    return {key: row[key] for key in row if key in keep} if isinstance(row, dict) else row
