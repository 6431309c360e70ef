"""The registry over HTTP: instances register, are heard of and leave; others ask who is there.

Mounted at ``/registry/`` by the host that keeps the registry. The front door must not lead here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from modules.platform.contracts import ContractError
from modules.platform.discovery import registry
from modules.platform.discovery.access import check_reader, may_announce, writer
from modules.platform.discovery.compatibility import BadSchema, fingerprint_of
from modules.platform.discovery.instances import address_of
from modules.platform.discovery.wire import (
    CONTRACT_UNKNOWN,
    ID,
    Announcement,
    Heard,
    Heartbeat,
    Listing,
    Wanted,
    Welcome,
    listed,
)
from modules.platform.rest.parsing import parse_body, parse_query
from modules.platform.rest.problems import Problem

log = structlog.get_logger(__name__)

LARGEST = 16 * 1024  # bytes of an announcement: it is a few hundred
LARGEST_SCHEMA = 1024 * 1024  # bytes of a contract: the largest of ours has 30 KB

View = Callable[..., HttpResponse]


def answers(**methods: View) -> View:
    """A view with a function per HTTP method; what it raises of ours is a problem."""

    @csrf_exempt
    def view(request: HttpRequest, **named: str) -> HttpResponse:
        act = methods.get(request.method or "")
        if act is None:
            allow = {"Allow": ", ".join(sorted(methods))}
            return Problem(405, "method_not_allowed", "Not with this.", headers=allow).response()
        try:
            return act(request, **named)
        except Problem as problem:
            return problem.response()
        except ContractError as error:
            return Problem.of(error).response()

    return view


def _written(act: View) -> View:
    @wraps(act)
    def checked(request: HttpRequest, id: str) -> HttpResponse:
        issuer = writer(request)
        if not re.fullmatch(ID, id):
            raise Problem.invalid("path/id", "an id has 1 to 128 of A-Z a-z 0-9 . _ : -")
        return act(request, id, issuer)

    return checked


@_written
def _register(request: HttpRequest, id: str, issuer: str) -> HttpResponse:
    said = parse_body(_body(request, LARGEST), Announcement)
    if not may_announce(issuer, said.module):
        raise Problem(403, "forbidden", f"{issuer} may not announce instances of {said.module}.")
    _check(said)
    registry.forget_old()
    is_new = registry.register(id, said, issuer=issuer)
    log.info("registry.registered", instance=id, module=said.module, url=said.url, new=is_new)
    return _json(Welcome(), HTTPStatus.CREATED if is_new else HTTPStatus.OK)


@_written
def _heartbeat(request: HttpRequest, id: str, issuer: str) -> HttpResponse:
    said = parse_body(_body(request, LARGEST) or b"{}", Heartbeat)
    return _json(Heard(listed=registry.heartbeat(id, issuer=issuer, in_flight=said.in_flight)))


@_written
def _deregister(request: HttpRequest, id: str, issuer: str) -> HttpResponse:
    registry.deregister(id, issuer=issuer)
    log.info("registry.deregistered", instance=id)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _list(request: HttpRequest) -> HttpResponse:
    check_reader(request)
    live = registry.live(parse_query(request.GET, Wanted).module)
    body = msgspec.json.encode(Listing(instances=tuple(listed(one) for one in live)))
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
    return HttpResponse(body, content_type="application/json", headers={"ETag": etag})


def _contract(request: HttpRequest, fingerprint: str) -> HttpResponse:
    check_reader(request)
    # PostgreSQL is asked for what can be one only: its texts take no NUL.
    schema = registry.contract(fingerprint) if fingerprint.isalnum() else None
    if schema is None:
        raise Problem.not_found(f"Nobody has announced the contract {fingerprint}.")
    return HttpResponse(schema, content_type="application/json")


def _announce_contract(request: HttpRequest, fingerprint: str) -> HttpResponse:
    issuer = writer(request)
    text = _text(_body(request, LARGEST_SCHEMA))
    try:
        module, actual = fingerprint_of(text)
    except BadSchema as error:
        raise Problem.invalid("", str(error), code="bad_schema") from error
    if actual != fingerprint:
        raise Problem.invalid("path/fingerprint", f"the schema's own fingerprint is {actual}")
    if not may_announce(issuer, module):
        raise Problem(403, "forbidden", f"{issuer} may not announce the contract of {module}.")
    registry.announce_contract(fingerprint, module, text)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _check(said: Announcement) -> None:
    try:
        address_of(said.url)
    except ValueError as error:
        raise Problem.invalid("/url", "its port must be from 1 to 65535") from error
    if said.contract and registry.contract(said.contract) is None:
        way_out = f"announce its schema first: PUT /registry/contracts/{said.contract}"
        raise Problem.invalid("/contract", way_out, code=CONTRACT_UNKNOWN)


def _body(request: HttpRequest, largest: int) -> bytes:
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise _too_large(largest) from error
    if len(body) > largest:
        raise _too_large(largest)
    return body


def _too_large(largest: int) -> Problem:
    return Problem(413, "too_large", f"At most {largest} bytes are taken here.")


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, "malformed_body", "The body is not UTF-8.") from error


def _json(value: Any, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(value), status=status, content_type="application/json")


instances = answers(GET=_list)
instance = answers(PUT=_register, DELETE=_deregister)
heartbeats = answers(POST=_heartbeat)
contracts = answers(GET=_contract, PUT=_announce_contract)
