"""How a call and its outcome are written: one JSON object of arguments, one value or error.

A request's other facts are headers (below); the actor travels in the signed token. What an answer
is, ``Ficus-Outcome`` says: an answer without it was made by something in between.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from enum import StrEnum
from functools import lru_cache
from typing import Any, Union

import msgspec

from modules.platform.binding import Method
from modules.platform.contracts import CallContext, ContractError
from modules.platform.contracts.codec import CodecError, decode, decoder_of, encode

DEADLINE = "Ficus-Deadline"  # milliseconds for which the caller still waits
OUTCOME = "Ficus-Outcome"
REQUEST_ID = "X-Request-Id"
TRACEPARENT = "traceparent"
CORRELATION = "Ficus-Correlation-Id"
CAUSATION = "Ficus-Causation-Id"
ASKER = "Ficus-Asker"
CONTENT_TYPE = "application/json"
# Only what stands in contracts may be named by another host and looked up here.
_CONTRACT = re.compile(
    r"modules\.(?:[a-z][a-z0-9_]*\.contract|platform\.contracts)(?:\.[a-z0-9_]+)*"
)


class Outcome(StrEnum):
    """What became of a call, in ``Ficus-Outcome``."""

    ANSWERED = "answered"  # the body is the value
    RAISED = "raised"  # the body is a Raised
    REFUSED = "refused"  # the body is a Refused
    FAILED = "failed"  # an unforeseen error; the body says no more


class Raised(msgspec.Struct, kw_only=True):
    """An error of a contract. ``fields`` is what its class is rebuilt from."""

    module: str
    type: str
    code: str
    retryable: bool
    fields: msgspec.Raw = msgspec.Raw(b"{}")
    detail: str = ""


class Refused(msgspec.Struct, kw_only=True):
    """The call was not begun. ``reason`` is a stable word, ``detail`` a sentence."""

    reason: str
    detail: str


class Wire:
    """One method's arguments, written and read."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self.path = f"/rpc/{method.module}/{method.name}"
        fields = [
            (name, Union[hint, msgspec.UnsetType], msgspec.UNSET)  # noqa: UP007
            if name in method.optional
            else (name, hint)
            for name, hint in method.parameters.items()
        ]
        self._names = list(method.parameters)
        # An argument that this side does not know means something to the other: never drop it.
        self._struct = msgspec.defstruct(
            method.name, fields, kw_only=True, forbid_unknown_fields=True
        )
        self._decoder = decoder_of(self._struct)

    def pack(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The arguments of a call. Raises TypeError for what the method does not take."""
        if len(args) > len(self._names):
            raise TypeError(f"{self.method.full_name} takes {len(self._names)} arguments")
        given = dict(zip(self._names, args, strict=False))
        if not given.keys().isdisjoint(kwargs):
            raise TypeError(f"{self.method.full_name} was given an argument twice")
        return encode(self._struct(**given, **kwargs))

    def unpack(self, body: bytes) -> dict[str, Any]:
        """The arguments by name, in the contract's types. Raises CodecError naming the field."""
        try:
            given = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise CodecError(f"{self.method.full_name}: {error}") from error
        return {
            name: value
            for name in self._names
            if (value := getattr(given, name)) is not msgspec.UNSET
        }


def raised(error: ContractError) -> bytes:
    """``error`` as it crosses: as its own class, or the nearest one above that is a contract's."""
    cls = next((cls for cls in type(error).__mro__ if _crosses(cls)), ContractError)
    fields: dict[str, Any] = {}
    if dataclasses.is_dataclass(cls):
        fields = {field.name: getattr(error, field.name) for field in dataclasses.fields(cls)}
    return encode(
        Raised(
            module=cls.__module__,
            type=cls.__name__,
            code=error.code,
            retryable=error.retryable,
            fields=msgspec.Raw(encode(fields)),
            detail=str(error),
        )
    )


def rebuilt(told: Raised) -> ContractError | None:
    """The error itself; None when its class is of no contract here, or takes other fields."""
    cls = _error_class(told.module, told.type)
    if cls is None:
        return None
    if not dataclasses.is_dataclass(cls):
        return cls()
    try:
        error: ContractError = decode(bytes(told.fields), cls)
    except CodecError:
        return None
    return error


def headers_of(context: CallContext) -> list[tuple[bytes, bytes]]:
    """What every attempt says; the actor is in the token."""
    given = (
        (REQUEST_ID, context.request_id),
        (TRACEPARENT, context.traceparent),
        (CORRELATION, context.correlation_id),
        (CAUSATION, context.causation_id),
        (ASKER, context.asker),
    )
    return [
        (name.encode(), value.encode())
        for name, value in given
        if value and value.isascii() and value.isprintable()  # no line ends: it is a header
    ]


def refused(reason: str, detail: str) -> bytes:
    return encode(Refused(reason=reason, detail=detail))


def _crosses(cls: type) -> bool:
    return issubclass(cls, ContractError) and _CONTRACT.fullmatch(cls.__module__) is not None


@lru_cache(maxsize=1024)
def _error_class(module: str, name: str) -> type[ContractError] | None:
    if _CONTRACT.fullmatch(module) is None:
        return None
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    if isinstance(found, type) and issubclass(found, ContractError):
        return found if found.__module__ == module else None
    return None
