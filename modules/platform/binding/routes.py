"""The ways a call can take. A remote route joins these without its callers noticing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol

from modules.platform.binding.errors import CallInsideTransaction
from modules.platform.binding.ports import Method
from modules.platform.contracts import ContractError, DeadlineExceeded, current_context
from modules.platform.contracts.codec import decode, encode

# The name of the first database alias with a transaction open, or None. The host installs one
# that asks Django; without it nothing is checked.
open_transaction: Callable[[], str | None] = lambda: None  # noqa: E731


def install_transaction_probe(probe: Callable[[], str | None]) -> None:
    """Let calls be refused while ``probe`` names an open transaction."""
    global open_transaction
    open_transaction = probe


class Route(Protocol):
    """Carries one call to whoever answers it."""

    def caller(self, method: Method) -> Callable[..., Any]:
        """A function with the method's own signature."""
        ...


def guard(method: Method) -> None:
    """Refuse a call whose deadline has passed or that would run inside a transaction."""
    alias = open_transaction()
    if alias is not None:
        raise CallInsideTransaction(method.full_name, alias)
    deadline = current_context().deadline
    if deadline is not None and datetime.now(UTC) >= deadline:
        raise DeadlineExceeded(method=method.full_name)


class LocalRoute:
    """The implementation lives in this process."""

    def __init__(self, implementation: object) -> None:
        self.implementation = implementation

    def caller(self, method: Method) -> Callable[..., Any]:
        implementation, name = self.implementation, method.name

        def local(*args: Any, **kwargs: Any) -> Any:
            guard(method)
            # Looked up on each call: somebody may listen to the implementation's methods since.
            return getattr(implementation, name)(*args, **kwargs)

        return local


class CodecRoute:
    """In this process, but through bytes both ways, errors included: what a network would do."""

    def __init__(self, implementation: object) -> None:
        self.implementation = implementation

    def caller(self, method: Method) -> Callable[..., Any]:
        call = getattr(self.implementation, method.name)
        names = list(method.parameters)

        def through_codec(*args: Any, **kwargs: Any) -> Any:
            guard(method)
            given = dict(zip(names, args, strict=False)) | kwargs
            arguments = {
                name: decode(encode(value), method.parameters[name])
                for name, value in given.items()
            }
            try:
                answer = call(**arguments)
            except ContractError as error:
                raise_again(type(error), encode(fields_of(error)))
            return decode(encode(answer), method.returns)

        return through_codec


def fields_of(error: ContractError) -> dict[str, Any]:
    """An error's own fields, as its constructor takes them."""
    if not dataclasses.is_dataclass(error):
        return {}
    return {field.name: getattr(error, field.name) for field in dataclasses.fields(error)}


def raise_again(error_type: type[ContractError], data: bytes) -> NoReturn:
    """Rebuild an error of ``error_type`` from its encoded fields and raise it."""
    if dataclasses.is_dataclass(error_type):
        raise decode(data, error_type)
    raise error_type
