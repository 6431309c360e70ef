"""One method's arguments and answer, and the errors of contracts, as Protocol Buffers."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from modules.platform.binding import Method
from modules.platform.contracts import ContractError
from modules.platform.contracts.codec import CodecError
from modules.platform.grpc_calls.messages.errors import Unreadable
from modules.platform.grpc_calls.messages.library import Library
from modules.platform.grpc_calls.messages.quick import Both
from modules.platform.proto import details
from modules.platform.proto.errors import ProtoStale
from modules.platform.proto.shapes import package_of

_PLATFORM = package_of("platform")


class MethodMessages:
    """What one method of a port takes and gives, as bytes. Raises CodecError naming the field."""

    def __init__(self, method: Method, library: Library) -> None:
        """Raises ImportError, and ProtoError when the contract has no (or another) ``.proto``."""
        file = library.file(method.module)
        rpc = next((one for one in file.rpcs if one.method == method.name), None)
        if rpc is None:
            raise ProtoStale(method.module, method.full_name)
        self.path = f"/{file.package}.{file.service}/{rpc.name}"
        self._method = method
        self._names = list(method.parameters)
        request, response = (f"{file.package}.{one.name}" for one in (rpc.request, rpc.response))
        self._request, self._response = library.message(request), library.message(response)
        self._gives_nothing = not library.coder(response).slots
        self._takes = Both(library.coder(request), library, self._request)
        self._gives = Both(library.coder(response), library, self._response)

    def pack(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The arguments of a call. Raises TypeError for what the method does not take."""
        given = self._by_name(args, kwargs)
        return self._takes.packed(given)

    def unpack(self, data: bytes) -> dict[str, Any]:
        """The arguments by name; those with a default may be missing."""
        message = _parsed(self._request, data, self._method.full_name)
        unknown = UnknownFieldSet(message)
        if len(unknown):  # it means something to the caller: never drop it
            raise Unreadable(f"{self._method.full_name} has no argument {unknown[0].field_number}")
        return self._takes.unpacked(message)

    def pack_answer(self, value: Any) -> bytes:
        if self._gives_nothing and value is not None:
            raise CodecError(f"{self._method.full_name} gives nothing, not {value!r:.80}")
        return self._gives.packed({} if self._gives_nothing else {"value": value})

    def unpack_answer(self, data: bytes) -> Any:
        message = _parsed(self._response, data, self._method.full_name)
        return self._gives.unpacked(message).get("value")

    def _by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        name, method = self._method.full_name, self._method
        if len(args) > len(self._names):
            raise TypeError(f"{name} takes {len(self._names)} arguments")
        given = dict(zip(self._names, args, strict=False))
        if not given.keys().isdisjoint(kwargs):
            raise TypeError(f"{name} was given an argument twice")
        given |= kwargs
        if unknown := given.keys() - method.parameters.keys():
            raise TypeError(f"{name} takes no {', '.join(sorted(unknown))}")
        if lacking := method.parameters.keys() - method.optional - given.keys():
            raise TypeError(f"{name} needs {', '.join(sorted(lacking))}")
        return given


class Errors:
    """Errors of contracts and refusals, as they stand in trailing metadata."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def pack(self, error: ContractError) -> bytes:
        """``error`` as its own class, or the nearest one above that is a contract's."""
        name = next(name for cls in type(error).__mro__ if (name := self._crosses(cls)))
        message = self._library.message(name)()
        self._library.coder(name).fill(message, error)
        return self._packed(
            details.Raised(
                type=name,
                code=error.code,
                retryable=error.retryable,
                fields=message.SerializeToString(),
                detail=str(error),
            )
        )

    def unpack(self, data: bytes) -> tuple[details.Raised, ContractError | None]:
        """What was told, and the error again; None when its class is of no contract here, or
        takes other fields.
        """
        told: details.Raised = self._read(details.Raised, data)
        cls = self._library.contract_class(told.type)
        if not (isinstance(cls, type) and issubclass(cls, ContractError)):
            return told, None
        message = _parsed(self._library.message(told.type), told.fields, told.type)
        try:
            error: ContractError = self._library.coder(told.type).read(message)
        except CodecError:
            return told, None
        return told, error

    def _crosses(self, cls: type) -> str:
        """The full name of the message for ``cls``; empty when it is of no contract."""
        parts = cls.__module__.split(".")
        if parts[0] != "modules" or len(parts) < 2:
            return ""
        name = f"{package_of(parts[1])}.{cls.__name__}"
        return name if self._library.contract_class(name) is cls else ""

    def pack_refusal(self, reason: str, detail: str) -> bytes:
        return self._packed(details.Refused(reason=reason, detail=detail))

    def unpack_refusal(self, data: bytes) -> details.Refused:
        refused: details.Refused = self._read(details.Refused, data)
        return refused

    def _packed(self, detail: Any) -> bytes:
        name = f"{_PLATFORM}.{type(detail).__name__}"
        message = self._library.message(name)()
        self._library.coder(name).fill(message, detail)
        return message.SerializeToString()

    def _read(self, cls: type, data: bytes) -> Any:
        name = f"{_PLATFORM}.{cls.__name__}"
        return self._library.coder(name).read(_parsed(self._library.message(name), data, name))


def _parsed(cls: type[Message], data: bytes, where: str) -> Message:
    message = cls()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise Unreadable(f"{where}: these bytes are no message ({error})") from error
    return message
