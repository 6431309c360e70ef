"""``POST /rpc/<module>/<method>`` and ``GET /rpc/keys``. For other hosts; no proxy routes here."""

from __future__ import annotations

import time

import msgspec
import structlog
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from modules.platform.keys import jwk_set, ring_in
from modules.platform.rest.forwarded import address_of
from modules.platform.rpc import settings
from modules.platform.rpc.metrics import REFUSED
from modules.platform.rpc.serving import Refusal, Reply, context_of, door_of, gate, refusal
from modules.platform.rpc.tokens import TokenRefused
from modules.platform.rpc.wire import CONTENT_TYPE, OUTCOME, Outcome

log = structlog.get_logger(__name__)

PUBLISHED_FOR = 30  # seconds for which somebody in between may keep the keys


@csrf_exempt
def call(request: HttpRequest, module: str, method: str) -> HttpResponse:
    """Answer one call, or refuse it with one log line that says why."""
    name = f"{module}.{method}"
    try:
        return _response(_answered(request, module, method))
    except TokenRefused as error:
        detail = f"The token is refused: {error.detail}."
        facts = {"issuer": error.issuer, "kid": error.kid, "peer": address_of(request)}
        return _response(_refused(name, 401, error.reason, detail, **facts))
    except Refusal as error:
        told = _refused(name, error.status, error.reason, error.detail, peer=address_of(request))
        return _response(told)
    except Exception:  # of ours, not of the implementation: settings, keys
        log.exception("rpc.failed", call=name)
        return _response(Reply(500, Outcome.FAILED))


def _answered(request: HttpRequest, module: str, method: str) -> Reply:
    """Raises TokenRefused, Refusal. The token first: strangers learn nothing else."""
    started = time.perf_counter()
    claims = gate().claims(request.META.get("HTTP_AUTHORIZATION", ""), module)
    if request.method != "POST":
        raise Refusal(405, "not_post", "A call is a POST.")
    body = _body(request)
    with gate().admitting(claims, call=f"{module}.{method}", body=body):
        door = door_of(module, method)
        arguments, context = door.arguments(body), context_of(request.META, claims)
    reply = door.answer(arguments, context)
    door.served(reply, time.perf_counter() - started)
    return reply


def _body(request: HttpRequest) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or ""
    if not (length.isascii() and length.isdigit()):
        raise Refusal(411, "no_length", "Content-Length is needed.")
    if int(length) > settings.max_bytes():
        raise Refusal(413, "too_large", f"At most {settings.max_bytes()} bytes are taken.")
    if request.META.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise Refusal(415, "encoded", "The body must not be compressed.")
    try:
        return request.body
    except RequestDataTooBig as error:
        raise Refusal(413, "too_large", "The body is larger than this host takes.") from error
    except UnreadablePostError as error:
        raise Refusal(400, "cut_off", "The body ended too soon.") from error


def _refused(name: str, status: int, reason: str, detail: str, **facts: str) -> Reply:
    REFUSED.labels(reason).inc()
    log.warning("rpc.refused", call=name, status=status, reason=reason, detail=detail, **facts)
    return refusal(status, reason, detail)


def _response(reply: Reply) -> HttpResponse:
    headers = {
        OUTCOME: reply.outcome.value,
        "Cache-Control": "no-store",
        "Content-Length": str(len(reply.body)),  # without it the connection could not be kept
    }
    response = HttpResponse(
        reply.body, status=reply.status, content_type=CONTENT_TYPE, headers=headers
    )
    # An error of the contract is an answer like any other, not a line in Django's own log.
    response._has_been_logged = reply.outcome is not Outcome.FAILED  # type: ignore[attr-defined]
    return response


def keys(request: HttpRequest) -> HttpResponse:
    """The public halves of this host's keys as a JWK set; no token is needed."""
    ring = ring_in(settings.keys_dir())
    ring.signing()  # made now, if this is the host's first deed
    body = msgspec.json.encode({"keys": jwk_set(ring.all())})
    headers = {"Cache-Control": f"public, max-age={PUBLISHED_FOR}"}
    return HttpResponse(body, content_type="application/jwk-set+json", headers=headers)
