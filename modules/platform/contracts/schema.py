"""A contract as a snapshot: its port, commands, events, errors and types, in a stable form.

``modules/<name>/contract/schema.json`` is this, written by ``manage.py modules schema --write``.
What changes it changes what others rely on; ``compatibility.py`` says whether they notice.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from modules.platform.contracts.errors import (
    Conflict,
    ContractError,
    Forbidden,
    Invalid,
    NotFound,
    StaleVersion,
    Unavailable,
)
from modules.platform.contracts.messages import Command, Event

# The most special kind of error first; HTTP statuses hang on these.
_KINDS = (StaleVersion, Invalid, NotFound, Conflict, Forbidden, Unavailable, ContractError)
OPTIONAL = ", optional"
POSITIONAL = ", positional"
_SCALARS: Mapping[Any, str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    float: "number",
    bytes: "bytes",
    UUID: "uuid",
    datetime: "datetime",
    date: "date",
    type(None): "null",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldShape:
    """A field or parameter, in ``schema.json`` one text: ``array<uuid>, optional``.

    ``required`` is false when it has a default; ``positional`` parameters need no name.
    """

    type: str
    required: bool = True
    positional: bool = False

    def __str__(self) -> str:
        return (
            self.type
            + (POSITIONAL if self.positional else "")
            + ("" if self.required else OPTIONAL)
        )

    @classmethod
    def read(cls, text: str) -> FieldShape:
        """The reverse of ``str()``."""
        required = not text.endswith(OPTIONAL)
        text = text.removesuffix(OPTIONAL)
        positional = text.endswith(POSITIONAL)
        return cls(type=text.removesuffix(POSITIONAL), required=required, positional=positional)


Fields = Mapping[str, FieldShape]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodShape:
    """A port's method; ``returns`` is the result's type."""

    parameters: Fields
    returns: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventShape:
    """An event; ``key`` is the field whose value keeps its order."""

    version: int
    key: str
    fields: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorShape:
    """An error; ``kind`` is the platform's class that decides its HTTP status."""

    code: str
    retryable: bool
    kind: str
    fields: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A whole contract. ``types`` has every dataclass that is reachable, also the platform's
    (``Money``); ``enums`` maps an enum to its values in alphabetical order.
    """

    module: str
    port: str = ""
    methods: Mapping[str, MethodShape] = field(default_factory=dict)
    commands: Mapping[str, Fields] = field(default_factory=dict)
    events: Mapping[str, EventShape] = field(default_factory=dict)
    errors: Mapping[str, ErrorShape] = field(default_factory=dict)
    types: Mapping[str, Fields] = field(default_factory=dict)
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def snapshot(module: str) -> Snapshot:
    """The contract of ``module`` as it is now. Raises ``ImportError`` when it has none, and
    ``TypeError`` for a type that no contract may have.
    """
    return snapshot_of(module, contract_classes(module))


def snapshot_of(module: str, classes: typing.Iterable[type]) -> Snapshot:
    """The snapshot of a contract made of ``classes``."""
    reader = _Reader()
    for cls in classes:
        reader.add(cls)
    return reader.finish(module)


def contract_classes(module: str) -> Iterator[type]:
    """The classes that the contract package of ``module`` defines."""
    package = importlib.import_module(f"modules.{module}.contract")
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        room = importlib.import_module(info.name)
        for _, cls in inspect.getmembers(room, inspect.isclass):
            if cls.__module__ == room.__name__:
                yield cls


def dump(one: Snapshot) -> str:
    """The text of ``schema.json``: sorted, indented, the same for the same contract."""
    return json.dumps(_plain(one), indent=2, sort_keys=True) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, FieldShape):
        return str(value)
    if dataclasses.is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return value


def load(text: str) -> Snapshot:
    """``schema.json`` read back. Raises ``ValueError`` for a text that is no snapshot."""
    try:
        raw = json.loads(text)
        return Snapshot(
            module=raw["module"],
            port=raw["port"],
            methods={
                name: MethodShape(parameters=_fields(m["parameters"]), returns=m["returns"])
                for name, m in raw["methods"].items()
            },
            commands={name: _fields(fields) for name, fields in raw["commands"].items()},
            events={
                name: EventShape(**e | {"fields": _fields(e["fields"])})
                for name, e in raw["events"].items()
            },
            errors={
                name: ErrorShape(**e | {"fields": _fields(e["fields"])})
                for name, e in raw["errors"].items()
            },
            types={name: _fields(fields) for name, fields in raw["types"].items()},
            enums={name: tuple(values) for name, values in raw["enums"].items()},
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"this is no contract snapshot: {error!r}") from error


def _fields(raw: Mapping[str, str]) -> Fields:
    return {name: FieldShape.read(text) for name, text in raw.items()}


class _Reader:
    """Collects shapes; what a shape names is read too."""

    def __init__(self) -> None:
        self.port = ""
        self.methods: dict[str, MethodShape] = {}
        self.commands: dict[str, Fields] = {}
        self.events: dict[str, EventShape] = {}
        self.errors: dict[str, ErrorShape] = {}
        self.types: dict[str, Fields] = {}
        self.enums: dict[str, tuple[str, ...]] = {}

    def add(self, cls: Any) -> None:
        if getattr(cls, "_is_protocol", False):
            self.port = cls.__name__
            self.methods |= {name: self._method(one) for name, one in _functions(cls)}
        elif issubclass(cls, Command):
            self.commands[cls.__name__] = self._fields_of(cls)
        elif issubclass(cls, Event):
            self.events[cls.__name__] = EventShape(
                version=cls.VERSION, key=cls.KEY, fields=self._fields_of(cls)
            )
        elif issubclass(cls, ContractError):
            kind = next(one for one in _KINDS if issubclass(cls, one))
            self.errors[cls.__name__] = ErrorShape(
                code=cls.code,
                retryable=cls.retryable,
                kind=kind.__name__,
                fields=self._fields_of(cls) if dataclasses.is_dataclass(cls) else {},
            )
        elif issubclass(cls, Enum) or dataclasses.is_dataclass(cls):
            self._name(cls)

    def finish(self, module: str) -> Snapshot:
        return Snapshot(
            module=module,
            port=self.port,
            methods=self.methods,
            commands=self.commands,
            events=self.events,
            errors=self.errors,
            types=self.types,
            enums=self.enums,
        )

    def _method(self, function: Any) -> MethodShape:
        hints = typing.get_type_hints(function)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        return MethodShape(
            parameters={
                one.name: FieldShape(
                    type=self._text(hints[one.name]),
                    required=one.default is inspect.Parameter.empty,
                    positional=one.kind is not inspect.Parameter.KEYWORD_ONLY,
                )
                for one in parameters
            },
            returns=self._text(hints["return"]),
        )

    def _fields_of(self, cls: Any) -> Fields:
        hints = typing.get_type_hints(cls)
        return {
            one.name: FieldShape(type=self._text(hints[one.name]), required=_is_required(one))
            for one in dataclasses.fields(cls)
        }

    def _text(self, hint: Any) -> str:
        if hint in _SCALARS:
            return _SCALARS[hint]
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            return " | ".join(sorted(self._text(one) for one in arguments))
        if origin is frozenset:
            return f"set<{self._text(arguments[0])}>"
        if origin is tuple:
            if arguments[-1] is Ellipsis:
                return f"array<{self._text(arguments[0])}>"
            return f"tuple<{', '.join(self._text(one) for one in arguments)}>"
        if isinstance(hint, type):
            return self._name(hint)
        raise TypeError(f"{hint!r} may not stand in a contract")

    def _name(self, cls: Any) -> str:
        name: str = cls.__name__
        if issubclass(cls, Enum):
            self.enums[name] = tuple(sorted(str(one.value) for one in cls))
        elif issubclass(cls, Command):
            pass  # its fields stand under commands
        elif dataclasses.is_dataclass(cls):
            if name not in self.types:
                self.types[name] = {}  # a type may hold itself
                self.types[name] = self._fields_of(cls)
        else:
            raise TypeError(f"{cls.__qualname__} may not stand in a contract")
        return name


def _functions(port: type) -> Iterator[tuple[str, Any]]:
    for name, one in vars(port).items():
        if inspect.isfunction(one) and not name.startswith("_"):
            yield name, one


def _is_required(one: dataclasses.Field[Any]) -> bool:
    return one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
