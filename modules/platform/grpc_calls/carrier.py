"""gRPC as a carrier of calls: ``rpc.calling`` is the machinery, this only how a call travels."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog

from modules.platform.contracts.codec import CodecError
from modules.platform.discovery import Instance
from modules.platform.grpc_calls.channels import Channels
from modules.platform.grpc_calls.messages.calls import MethodMessages
from modules.platform.resilience import Deadline
from modules.platform.rpc.carriers import Told
from modules.platform.rpc.errors import CallMisunderstood
from modules.platform.rpc.transport import Headers

log = structlog.get_logger(__name__)

SILENT = 60.0  # seconds between two warnings about one module


class GrpcCarrier:
    """Protocol Buffers over HTTP/2, to instances that offer it."""

    name = "grpc"

    def __init__(
        self,
        name: str,
        messages: MethodMessages,
        channels: Channels,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """``name`` is the method's full one, ``args`` and ``kwargs`` are its arguments."""
        self._call, self._messages, self._channels = name, messages, channels
        self._args, self._kwargs = args, kwargs
        self._body: bytes | None = None

    def url_of(self, one: Instance) -> str:
        """Empty where it does not offer it, and in a process that must not use it."""
        if not self._channels.usable:
            return ""
        if not one.grpc_url:
            _missed.tell(one)
        return one.grpc_url

    def body(self) -> bytes:
        """Raises CallMisunderstood naming the field that cannot hold its value, TypeError."""
        if self._body is None:
            try:
                self._body = self._messages.pack(self._args, self._kwargs)
            except CodecError as error:
                raise CallMisunderstood(self._call, "bad_arguments", f"{error}.") from error
        return self._body

    def exchange(self, url: str, headers: Headers, body: bytes, deadline: Deadline) -> Told:
        return self._channels.post(url, self._messages.path, headers, body, deadline)

    def value(self, body: bytes) -> Any:
        return self._messages.unpack_answer(body)


class Missed:
    """Says that a module is called by HTTP against the settings' wish, once a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}

    def tell(self, one: Instance) -> None:
        """``one`` does not offer gRPC."""
        now = self._clock()
        if now - self._told.get(one.module, -SILENT) < SILENT:
            return
        self._told[one.module] = now  # no lock: two threads at once may say it twice
        log.warning("grpc.not_offered", module=one.module, instance=one.id, instead="http")


_missed = Missed()
