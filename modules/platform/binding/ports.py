"""Reads a port (a ``typing.Protocol``) and refuses what could not cross a network."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from typing import Any
from uuid import UUID

from modules.platform.binding.errors import NotAPort
from modules.platform.contracts import Command, module_of

SCALARS = frozenset({str, int, bool, float, bytes, UUID, datetime, date, type(None)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method of a port. ``parameters`` maps names to types; ``returns`` is the result's.

    ``optional`` are the parameters with a default, which is the implementation's to say.
    """

    module: str
    name: str
    parameters: dict[str, Any]
    returns: Any
    is_command: bool
    optional: frozenset[str] = frozenset()

    @property
    def full_name(self) -> str:
        return f"{self.module}.{self.name}"


@lru_cache(maxsize=256)
def methods_of(port: type) -> dict[str, Method]:
    """The port's methods by name. Raises NotAPort naming the method and the offending type."""
    found = {
        name: _method(port, name, function)
        for name, function in vars(port).items()
        if inspect.isfunction(function) and not name.startswith("_")
    }
    if not found:
        raise NotAPort(f"{port.__qualname__} has no methods")
    return found


def _method(port: type, name: str, function: Any) -> Method:
    hints = typing.get_type_hints(function)
    if "return" not in hints:
        raise NotAPort(f"{port.__qualname__}.{name} does not say what it returns")
    parameters: dict[str, Any] = {}
    optional = set()
    signature = inspect.signature(function)
    for parameter in list(signature.parameters.values())[1:]:
        hint = hints.get(parameter.name)
        if hint is None:
            raise NotAPort(f"{port.__qualname__}.{name}: {parameter.name} has no type")
        is_command = isinstance(hint, type) and issubclass(hint, Command)
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY and not is_command:
            raise NotAPort(f"{port.__qualname__}.{name}: {parameter.name} must be keyword-only")
        check_contract_type(hint, f"{port.__qualname__}.{name}({parameter.name})")
        parameters[parameter.name] = hint
        if parameter.default is not inspect.Parameter.empty:
            optional.add(parameter.name)
    check_contract_type(hints["return"], f"{port.__qualname__}.{name} -> ")
    commands = [h for h in parameters.values() if isinstance(h, type) and issubclass(h, Command)]
    return Method(
        module=module_of(port),
        name=name,
        parameters=parameters,
        returns=hints["return"],
        is_command=bool(commands),
        optional=frozenset(optional),
    )


def check_contract_type(hint: Any, where: str) -> None:
    """Scalars, enums, tuples, frozensets and frozen dataclasses of these; else NotAPort."""
    if hint in SCALARS or (isinstance(hint, type) and issubclass(hint, Enum)):
        return
    origin = typing.get_origin(hint)
    if origin in (tuple, frozenset, typing.Union, types.UnionType):
        for argument in typing.get_args(hint):
            if argument is not Ellipsis:
                check_contract_type(argument, where)
        return
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        _check_dataclass(hint, where)
        return
    raise NotAPort(
        f"{where}: {hint!r} may not cross a contract; use scalars, enums, tuples, frozensets or "
        f"frozen dataclasses of these"
    )


_known: set[type] = set()  # found good, or being looked at: a type may hold itself


def _check_dataclass(cls: type, where: str) -> None:
    if cls in _known:
        return
    if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise NotAPort(f"{where}: {cls.__qualname__} must be a frozen dataclass")
    hints = typing.get_type_hints(cls)
    _known.add(cls)
    try:
        for field in dataclasses.fields(cls):
            check_contract_type(hints[field.name], f"{cls.__qualname__}.{field.name}")
    except NotAPort:
        _known.discard(cls)
        raise
