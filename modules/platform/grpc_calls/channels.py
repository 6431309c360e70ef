"""Channels to instances, and one exchange over them, told as ``rpc.transport`` tells its own.

gRPC works with threads of its own, which a fork leaves behind. So a channel is made in the process
that uses it, never before, and a process forked from one that has used gRPC uses none: its calls
go by HTTP (``usable``). Processes that only fork (Celery's and granian's parents) make no calls.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import structlog

from modules.platform.contracts.codec import CodecError, encode
from modules.platform.discovery.forking import renew_after_fork
from modules.platform.grpc_calls.messages.calls import Errors
from modules.platform.grpc_calls.messages.library import Library, library
from modules.platform.grpc_calls.metadata import (
    LIMITS,
    OUTCOME,
    RAISED,
    REFUSED,
    Options,
    by_name,
    data,
    text,
)
from modules.platform.resilience import Deadline
from modules.platform.rpc.carriers import Told
from modules.platform.rpc.transport import Headers, NoAnswer
from modules.platform.rpc.wire import Outcome, Raised, raised, refused

log = structlog.get_logger(__name__)

CONNECT = 2_000  # milliseconds: a listening host of the same network answers in milliseconds
PEERS = 1_000  # channels remembered: addresses change with each deployment
OPTIONS: Options = [
    *LIMITS,
    ("grpc.enable_retries", 0),  # repeated by the machinery of calls, which knows what it may
    ("grpc.enable_http_proxy", 0),  # one for the world outside is not asked for the house's own
    ("grpc.use_local_subchannel_pool", 1),  # a channel made anew connects anew
    # After a failure it is tried again at once, and then once a second: breakers do the rest.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", CONNECT),  # also the patience for connecting
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A peer that went without a word is noticed while calls wait for it.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
]
# What gRPC says by itself, where no host of modules has answered, as HTTP would say it.
_STATUSES = {
    grpc.StatusCode.UNIMPLEMENTED: 404,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 503,
}
_LOST = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
_TOO_LARGE, _OURS = "larger than max", "CLIENT:"  # ours: what this side will not take
_NOT_CONNECTED = "failed to connect"

_inherited: list[object] = []  # of the parent: never closed here, where their threads are not


class Channels:
    """The channels of this process. Safe between threads."""

    def __init__(self, *, max_bytes: int, library: Callable[[], Library] = library) -> None:
        """``max_bytes`` of an answer; ``library`` has the errors that hosts may raise."""
        self._options = [*OPTIONS, ("grpc.max_receive_message_length", max_bytes)]
        self._max_bytes = max_bytes
        self._errors = Errors(library())
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._channels: dict[str, grpc.Channel] = {}
        self._methods: dict[tuple[str, str], Any] = {}
        self.usable = True

    def after_fork(self) -> None:
        """Nothing of the parent's is touched, and nothing made, if it has used gRPC."""
        used = bool(self._channels) or not self.usable
        _inherited.append((self._channels, self._methods))
        self._begin()
        self.usable = not used
        if used:
            log.warning("grpc.not_after_fork", instead="http")

    def post(self, url: str, path: str, headers: Headers, body: bytes, due: Deadline) -> Told:
        """Send and wait for the whole answer, its body protobuf. Raises NoAnswer, ValueError."""
        left = due.remaining()
        if left <= 0:
            raise NoAnswer("no time is left", sent=False, in_time=False)
        metadata = [(name.decode().lower(), value.decode()) for name, value in headers]
        try:
            answer, call = self._method(url, path).with_call(body, timeout=left, metadata=metadata)
        except grpc.RpcError as error:
            return self._failed(error, body)
        return Told(200, text(by_name(call.trailing_metadata()), OUTCOME), answer)

    def close(self) -> None:
        """Close all channels; calls under way are cut off."""
        with self._lock:
            channels, self._channels, self._methods = self._channels, {}, {}
        for channel in channels.values():
            channel.close()

    def _method(self, url: str, path: str) -> Any:
        found = self._methods.get((url, path))
        if found is not None:
            return found
        with self._lock:
            if len(self._channels) >= PEERS and url not in self._channels:
                self._channels, self._methods = {}, {}  # each goes when its last call is over
            channel = self._channels.get(url)
            if channel is None:
                channel = self._channels[url] = _connected(url, self._options)
            return self._methods.setdefault((url, path), channel.unary_unary(path))

    def _failed(self, error: Any, body: bytes) -> Told:
        """What a host said with an error's status; or what became of the exchange."""
        code, said = error.code(), by_name(error.trailing_metadata())
        outcome = text(said, OUTCOME)
        try:
            match outcome:
                case Outcome.RAISED:
                    return Told(200, outcome, _as_over_http(self._errors, data(said, RAISED)))
                case Outcome.REFUSED:
                    no = self._errors.unpack_refusal(data(said, REFUSED))
                    status = 401 if code is grpc.StatusCode.UNAUTHENTICATED else 400
                    return Told(status, outcome, refused(no.reason, no.detail))
                case Outcome.FAILED:
                    return Told(500, outcome, b"")
        except CodecError:
            return Told(200, Outcome.RAISED, b"")  # which says nothing: a bad answer
        return self._without_host(code, error.details() or code.name, body)

    def _without_host(self, code: grpc.StatusCode, said: str, body: bytes) -> Told:
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise NoAnswer("no time is left", sent=True, in_time=False)
        if code in _LOST:
            raise NoAnswer(said, sent=_NOT_CONNECTED not in said, in_time=True)
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in said:
            if _OURS in said or len(body) <= self._max_bytes:
                raise NoAnswer("the answer is too large", sent=True, in_time=True)
            return Told(413, Outcome.REFUSED, refused("too_large", said))
        return Told(_STATUSES.get(code, 502), "", said.encode())


def _as_over_http(errors: Errors, told: bytes) -> bytes:
    """An error of a contract as the other transport writes it. Raises CodecError."""
    said, error = errors.unpack(told)
    if error is not None:
        return raised(error)
    package, _, name = said.type.rpartition(".")  # of no contract here
    return encode(Raised(module=package, type=name, code=said.code, retryable=said.retryable))


def _connected(url: str, options: Options) -> grpc.Channel:
    """Raises ValueError for what is not like ``grpc://host:port``."""
    parts = urlsplit(url)
    if parts.scheme not in ("grpc", "grpcs") or not parts.hostname or not parts.port:
        raise ValueError(f"{url!r} is not like grpc://host:port")
    if parts.scheme == "grpcs":
        return grpc.secure_channel(parts.netloc, _trusting_as_http(), options=options)
    return grpc.insecure_channel(parts.netloc, options=options)


def _trusting_as_http() -> grpc.ChannelCredentials:
    """The authorities that Python's ssl trusts (SSL_CERT_FILE, else the system's), not gRPC's."""
    path = ssl.get_default_verify_paths().cafile
    return grpc.ssl_channel_credentials(Path(path).read_bytes() if path else None)


@lru_cache(maxsize=1)
def channels(max_bytes: int) -> Channels:
    """This process's."""
    return Channels(max_bytes=max_bytes)
