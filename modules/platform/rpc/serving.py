"""What this host does with a call of another one: believe it, read it, answer it here."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
import structlog

from modules.platform.binding import LocalRoute, Method, implementation_of, methods_of, port_of
from modules.platform.contracts import CallContext, ContractError, call_context
from modules.platform.contracts.codec import CodecError, encode
from modules.platform.rest.problems import status_of
from modules.platform.rpc import settings
from modules.platform.rpc.metrics import SERVED, SERVED_SECONDS
from modules.platform.rpc.replay import Replays
from modules.platform.rpc.tokens import (
    LEEWAY,
    Claims,
    TokenRefused,
    check_binding,
    verify,
)
from modules.platform.rpc.trust import Trust
from modules.platform.rpc.wire import (
    ASKER,
    CAUSATION,
    CORRELATION,
    DEADLINE,
    REQUEST_ID,
    TRACEPARENT,
    Outcome,
    Wire,
    raised,
    refused,
)

log = structlog.get_logger(__name__)

_ID = re.compile(r"[A-Za-z0-9._\-]{1,128}")
_ASKER = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_META = {
    name: f"HTTP_{name.upper().replace('-', '_')}"
    for name in (REQUEST_ID, DEADLINE, TRACEPARENT, CORRELATION, CAUSATION, ASKER)
}
# So much sooner than the caller we give up: our answer says what became of it.
WAY_BACK = 0.1  # of the time it gives us
LONGEST_WAY_BACK = timedelta(milliseconds=250)
MAX_DIGITS = 9  # of a deadline in milliseconds: 11 days


class Reply(msgspec.Struct, frozen=True):
    """What goes back."""

    status: int
    outcome: Outcome
    body: bytes = b""


class Refusal(Exception):
    """The call is not begun. ``reason`` is a stable word."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail = status, reason, detail


class Gate:
    """Lets calls in whose token is good, each once. One per process."""

    def __init__(self, trust: Trust, replays: Replays) -> None:
        self._trust = trust
        self._replays = replays

    def claims(self, authorization: str, module: str) -> Claims:
        """Of a token for ``module``, whatever the call. Raises TokenRefused."""
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or not token:
            raise TokenRefused("missing", "a service token is needed")
        return verify(token, module=module, trust=self._trust, now=time.time())

    def admit(self, claims: Claims, *, call: str, body: bytes) -> None:
        """Use the token up for this very call. Raises TokenRefused."""
        with self.admitting(claims, call=call, body=body):
            pass

    @contextmanager
    def admitting(self, claims: Claims, *, call: str, body: bytes) -> Iterator[None]:
        """As ``admit``. Inside, what needs no leave is made ready, while Redis remembers the token.

        Whether the token was used before is known only after the block: nothing may be called
        inside. Then this raises TokenRefused, whatever else went wrong inside.
        """
        check_binding(claims, call=call, body=body)
        seconds = int(claims.exp - time.time()) + LEEWAY + 1  # until it is taken no more
        is_first_use = self._replays.begin_use(claims.iss, claims.jti, seconds)
        try:
            yield
        finally:
            if not is_first_use():
                raise TokenRefused("replayed", "it was used before", issuer=claims.iss)


class Door:
    """One method of a module that this host answers."""

    def __init__(self, port: type, method: Method) -> None:
        self.name = method.full_name
        self._port, self._method = port, method
        self._wire = Wire(method)
        self._seconds = SERVED_SECONDS.labels(self.name)
        self._served = {outcome: SERVED.labels(self.name, outcome) for outcome in Outcome}

    def served(self, reply: Reply, seconds: float) -> None:
        """Count it."""
        self._served[reply.outcome].inc()
        self._seconds.observe(seconds)

    def arguments(self, body: bytes) -> dict[str, Any]:
        """What the implementation is given. Raises Refusal for what cannot be read."""
        try:
            return self._wire.unpack(body)
        except CodecError as error:
            raise Refusal(400, "bad_arguments", f"{error}.") from error

    def answer(self, arguments: dict[str, Any], context: CallContext) -> Reply:
        """Call the implementation of this process."""
        # Never the route of use(): that may lead on to another host, and a call would go round.
        here = LocalRoute(implementation_of(self._port)).caller(self._method)
        with call_context(context):
            try:
                return Reply(200, Outcome.ANSWERED, encode(here(**arguments)))
            except ContractError as error:
                return Reply(status_of(type(error)), Outcome.RAISED, raised(error))
            except Exception:
                log.exception("rpc.failed", call=self.name)
                return Reply(500, Outcome.FAILED)


@lru_cache(maxsize=1)
def gate() -> Gate:
    """Of this process, made from the settings when first asked for."""
    return Gate(Trust(settings.trust()), Replays(settings.replay_url()))


os.register_at_fork(after_in_child=gate.cache_clear)  # a thread may have held its locks


def door_of(module: str, method: str) -> Door:
    """Raises Refusal 404 for what this host does not answer."""
    port = port_of(module)
    if port is None:
        raise Refusal(404, "unknown_module", f"{module} is not answered by this host.")
    found = _doors(port).get(method)
    if found is None:
        raise Refusal(404, "unknown_method", f"{module} has no method {method}.")
    return found


@lru_cache(maxsize=256)
def _doors(port: type) -> Mapping[str, Door]:
    return {name: Door(port, method) for name, method in methods_of(port).items()}


def context_of(meta: Mapping[str, str], claims: Claims) -> CallContext:
    """The caller's context from a request's META; what is not well-formed is not taken over."""
    request_id = _wellformed(_ID, meta.get(_META[REQUEST_ID]))
    return CallContext(
        actor=claims.actor,
        deadline=_deadline(meta.get(_META[DEADLINE], "")),
        request_id=request_id,
        traceparent=_wellformed(_TRACE, meta.get(_META[TRACEPARENT])),
        correlation_id=_wellformed(_ID, meta.get(_META[CORRELATION])) or request_id,
        causation_id=_wellformed(_ID, meta.get(_META[CAUSATION])),
        asker=_wellformed(_ASKER, meta.get(_META[ASKER])),
    )


def refusal(status: int, reason: str, detail: str) -> Reply:
    return Reply(status, Outcome.REFUSED, refused(reason, detail))


def _wellformed(shape: re.Pattern[str], given: Any) -> str | None:
    return given if given and shape.fullmatch(given) else None


def _deadline(given: str) -> datetime | None:
    if not (given.isascii() and given.isdigit() and len(given) <= MAX_DIGITS):
        return None
    left = timedelta(milliseconds=int(given))
    return datetime.now(UTC) + left - min(LONGEST_WAY_BACK, left * WAY_BACK)
