"""What this host does with a call over gRPC: believe it, read it, answer it here.

The gate, the trust, the memory of used tokens and the counters are those of ``rpc.serving``; only
the messages differ, and that a deadline is gRPC's own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import grpc
import msgspec
import structlog
from django.core.signals import request_finished, request_started

from modules.platform.binding import LocalRoute, Method, implementation_of, methods_of, port_of
from modules.platform.contracts import CallContext, ContractError, call_context, snake
from modules.platform.contracts.codec import CodecError
from modules.platform.grpc_calls import metadata
from modules.platform.grpc_calls.messages.calls import Errors, MethodMessages
from modules.platform.grpc_calls.messages.library import Library
from modules.platform.grpc_calls.statuses import status_of, status_of_refusal
from modules.platform.rpc import settings
from modules.platform.rpc.metrics import REFUSED, SERVED, SERVED_SECONDS
from modules.platform.rpc.serving import Refusal, context_of, gate
from modules.platform.rpc.tokens import TokenRefused
from modules.platform.rpc.wire import DEADLINE, Outcome

log = structlog.get_logger(__name__)

_PATH = re.compile(r"/ficus\.([a-z][a-z0-9_]{0,62})\.v1\.\w+/(\w{1,63})")


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back: a message, or a status whose typed details are in ``more``."""

    outcome: Outcome
    body: bytes = b""
    code: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    more: metadata.Metadata = ()


FAILED = Reply(outcome=Outcome.FAILED, code=grpc.StatusCode.INTERNAL, details="failed")


class Door:
    """One method of a module that this host answers."""

    def __init__(self, port: type, method: Method, library: Library) -> None:
        self.messages = MethodMessages(method, library)
        self._port, self._method = port, method

    def answer(self, body: bytes, context: CallContext) -> bytes:
        """Call the implementation of this process. Raises Refusal for what cannot be read, and
        whatever the implementation raises.
        """
        try:
            arguments = self.messages.unpack(body)
        except CodecError as error:
            raise Refusal(400, "bad_arguments", f"{error}.") from error
        # Never the route of use(): that may lead on to another host, and a call would go round.
        here = LocalRoute(implementation_of(self._port)).caller(self._method)
        with call_context(context):
            return self.messages.pack_answer(here(**arguments))


class Doors(grpc.GenericRpcHandler):
    """Answers every call of ``ficus.*``: unknown ones are refused once their token is believed."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._errors = Errors(library)
        self._of_port = lru_cache(maxsize=256)(self._made)

    def service(self, details: Any) -> Any:
        asked = _PATH.fullmatch(details.method)
        if asked is None:
            return None  # not ours: UNIMPLEMENTED, by gRPC itself
        module, path = asked[1], details.method
        name = snake(asked[2])

        def answer(body: bytes, context: grpc.ServicerContext) -> bytes:
            return self._served(module, name, path, body, context)

        return grpc.unary_unary_rpc_method_handler(answer)

    def load(self, port: type) -> str:
        """Make the doors of ``port`` now; its service's full name. Raises ProtoError."""
        path = next(iter(self._of_port(port)))
        return path.split("/")[1]

    def _made(self, port: type) -> Mapping[str, Door]:
        doors = (Door(port, method, self._library) for method in methods_of(port).values())
        return {door.messages.path: door for door in doors}

    def _served(
        self, module: str, name: str, path: str, body: bytes, context: grpc.ServicerContext
    ) -> bytes:
        if not context.is_active():
            return b""  # nobody waits any more
        request_started.send(sender=type(self))  # queries are counted anew, old connections closed
        try:
            return self._answered(module, name, path, body, context)
        finally:
            request_finished.send(sender=type(self))  # connections go back

    def _answered(
        self, module: str, name: str, path: str, body: bytes, context: grpc.ServicerContext
    ) -> bytes:
        call, started = f"{module}.{name}", time.perf_counter()
        try:
            reply = self._admitted(module, call, path, body, context)
        except TokenRefused as error:
            detail = f"The token is refused: {error.detail}."
            facts = {"issuer": error.issuer, "kid": error.kid}
            reply = self._refused(call, Refusal(401, error.reason, detail), **facts)
        except Refusal as error:
            reply = self._refused(call, error)
        except Exception:  # of ours, not of the implementation: settings, keys
            log.exception("rpc.failed", call=call)
            reply = FAILED
        else:
            # Only what was admitted is named: others could make up any number of names.
            SERVED.labels(call, reply.outcome).inc()
            SERVED_SECONDS.labels(call).observe(time.perf_counter() - started)
        return _sent(reply, context)

    def _admitted(
        self, module: str, call: str, path: str, body: bytes, context: grpc.ServicerContext
    ) -> Reply:
        said = metadata.by_name(context.invocation_metadata())
        claims = gate().claims(metadata.text(said, "authorization"), module)
        if len(body) > settings.max_bytes():
            raise Refusal(413, "too_large", f"At most {settings.max_bytes()} bytes are taken.")
        gate().admit(claims, call=call, body=body)
        port = port_of(module)
        if port is None:
            raise Refusal(404, "unknown_module", f"{module} is not answered by this host.")
        door = self._of_port(port).get(path)
        if door is None:
            raise Refusal(404, "unknown_method", f"{module} has no method {path}.")
        try:
            answer = door.answer(body, context_of(_as_meta(said, context), claims))
        except Refusal:
            raise
        except ContractError as error:
            return self._raised(call, error)
        except Exception:
            log.exception("rpc.failed", call=call)
            return FAILED
        return Reply(outcome=Outcome.ANSWERED, body=answer)

    def _raised(self, call: str, error: ContractError) -> Reply:
        told = self._errors.pack(error)
        if len(told) > metadata.MOST:
            log.error("rpc.error_too_large", call=call, code=error.code, size=len(told))
            return FAILED
        return Reply(
            outcome=Outcome.RAISED,
            code=status_of(error),
            details=error.code,
            more=((metadata.RAISED, told),),
        )

    def _refused(self, call: str, no: Refusal, **facts: str) -> Reply:
        REFUSED.labels(no.reason).inc()
        log.warning(
            "rpc.refused", call=call, status=no.status, reason=no.reason, detail=no.detail, **facts
        )
        told = self._errors.pack_refusal(no.reason, no.detail)
        return Reply(
            outcome=Outcome.REFUSED,
            code=status_of_refusal(no.status),
            details=no.reason,
            more=((metadata.REFUSED, told),),
        )


def _sent(reply: Reply, context: grpc.ServicerContext) -> bytes:
    context.set_trailing_metadata(((metadata.OUTCOME, reply.outcome.value), *reply.more))
    if reply.code is not grpc.StatusCode.OK:
        context.set_code(reply.code)
        context.set_details(reply.details)
    return reply.body


def _as_meta(said: Mapping[str, str | bytes], context: grpc.ServicerContext) -> dict[str, str]:
    """Metadata as a request's META, the deadline being what gRPC says is left."""
    meta = {_meta(name): value for name, value in said.items() if isinstance(value, str)}
    meta.pop(_meta(DEADLINE), None)
    left = context.time_remaining()
    if left is not None and left < 10**6:  # without a deadline it is some centuries
        meta[_meta(DEADLINE)] = str(max(0, int(left * 1000)))
    return meta


def _meta(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"
