"""Reads contract types into shapes, and refuses what proto3 cannot hold without loss."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from modules.platform.binding.ports import Method
from modules.platform.contracts import ContractError, module_of, snake
from modules.platform.proto import details
from modules.platform.proto.errors import NoProto
from modules.platform.proto.shapes import (
    NULL,
    TIMESTAMP,
    Enumeration,
    Form,
    Message,
    Slot,
    Sort,
    Value,
    camel,
    package_of,
    prefix_of,
)

_SCALARS: dict[Any, tuple[str, str, str]] = {  # type, word, note
    str: ("string", "text", ""),
    bool: ("bool", "flag", ""),
    int: ("int64", "integer", ""),
    float: ("double", "number", ""),
    bytes: ("bytes", "bytes", ""),
    UUID: ("bytes", "id", "a UUID's 16 bytes"),
}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_VALUE = re.compile(r"[A-Z][A-Z0-9_]*")
_INT64 = range(-(2**63), 2**63)
_UNKNOWN: Any = object()  # a default that is the implementation's to say


@dataclass(slots=True)
class Reader:
    """Collects the messages and enums that the types read so far are made of."""

    module: str
    messages: dict[str, Message] = field(default_factory=dict)
    enums: dict[str, Enumeration] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)  # full names of others' types
    classes: dict[str, type] = field(default_factory=dict)  # by the name of their message
    _begun: set[type] = field(default_factory=set)

    def message_of(self, cls: type) -> Value:
        """A contract's dataclass (or error without fields) as a message."""
        return self._message(cls)

    def method(self, method: Method) -> tuple[Message, Message]:
        """The request and the response of a method."""
        stem = camel(method.name)
        slots = [
            self._slot(f"{stem}Request", name, hint, _UNKNOWN if name in method.optional else None)
            for name, hint in method.parameters.items()
        ]
        request = self._add(Message(name=f"{stem}Request", slots=tuple(slots)))
        answers = []
        if method.returns is not type(None):
            answers.append(self._slot(f"{stem}Response", "value", method.returns, None))
        return request, self._add(Message(name=f"{stem}Response", slots=tuple(answers)))

    def _add(self, message: Message) -> Message:
        there = self.messages.get(message.name)
        if there is not None and there != message:
            raise NoProto(message.name, "two messages would have this name; rename one type")
        if message.name in self.enums:
            raise NoProto(message.name, "a message and an enum would have this name; rename one")
        names = [one.name for one in message.fields]
        for name in names:
            if names.count(name) > 1:
                raise NoProto(message.name, f"two of its fields would be named {name}")
        self.messages[message.name] = message
        return message

    def _message(self, cls: type) -> Value:
        value = self._named(cls, Sort.MESSAGE)
        if not value.type.startswith(f"{package_of(self.module)}."):
            self.foreign.add(value.type)
        elif not self._is_known(cls):
            self._add(Message(name=cls.__name__, slots=tuple(self._slots(cls)), cls=cls))
        return value

    def _is_known(self, cls: type) -> bool:
        """Read already, or being read: a type may hold itself."""
        there = self.classes.setdefault(cls.__name__, cls)
        if there is not cls:
            raise NoProto(cls.__qualname__, "two types would have this name; rename one")
        known = cls in self._begun
        self._begun.add(cls)
        return known

    def _slots(self, cls: Any) -> Iterator[Slot]:
        owner, hints = cls.__name__, typing.get_type_hints(cls)
        if not dataclasses.is_dataclass(cls):
            return  # an error without fields
        for one in dataclasses.fields(cls):
            yield self._slot(owner, one.name, hints[one.name], one)

    def _slot(self, owner: str, name: str, hint: Any, said: Any) -> Slot:
        """``said``: the dataclass field; None: required; _UNKNOWN: has a default, not ours."""
        where = f"{owner}.{name}"
        if _NAME.fullmatch(name) is None:
            raise NoProto(where, "a field's name is lower case letters, digits and underscores")
        default = _default(said, where)
        required = default is dataclasses.MISSING
        choices = _choices(hint)
        nullable = type(None) in choices
        rest = [one for one in choices if one is not type(None)]
        # Absent can mean one thing: the default, or None.
        tells_none = nullable and not required and default is not None
        path = owner + camel(name)
        if len(rest) == 1 and not tells_none:
            many = _many(rest[0])
            is_plain = not nullable and (required or default in ((), frozenset()))
            if many is not None and is_plain:
                item = self._value(many[1], path, where)
                return Slot(name=name, form=Form.MANY, values=(item,), collection=many[0])
            value = self._value(rest[0], path, where)
            return Slot(
                name=name, form=Form.ONE, values=(value,), nullable=nullable, required=required
            )
        if not rest:
            rest, tells_none = [type(None)], False
        values = [self._value(one, path, where) for one in rest]
        if tells_none:
            values.append(self._value(type(None), path, where))
        return Slot(
            name=name,
            form=Form.ONEOF,
            values=tuple(values),
            nullable=nullable and not tells_none,
            required=required,
        )

    def _value(self, hint: Any, path: str, where: str) -> Value:
        if hint in _SCALARS:
            kind, word, note = _SCALARS[hint]
            return Value(sort=Sort.SCALAR, type=kind, hint=hint, word=word, note=note)
        if hint is type(None):
            self.foreign.add(NULL)
            return Value(sort=Sort.ENUM, type=NULL, hint=hint, word="null")
        if hint is datetime:
            self.foreign.add(TIMESTAMP)
            return Value(sort=Sort.MESSAGE, type=TIMESTAMP, hint=hint, word="time")
        if hint is date:
            value = self._message(details.Date)
            return dataclasses.replace(value, hint=date, word="date")
        if isinstance(hint, type) and issubclass(hint, Enum):
            return self._enum(hint, where)
        if isinstance(hint, type) and _is_message(hint):
            return self._message(hint)
        return self._box(hint, path, where)

    def _enum(self, cls: type[Enum], where: str) -> Value:
        value = self._named(cls, Sort.ENUM)
        if not value.type.startswith(f"{package_of(self.module)}."):
            self.foreign.add(value.type)
            return value
        there = self.enums.get(cls.__name__)
        if (there is not None and there.cls is not cls) or cls.__name__ in self.messages:
            raise NoProto(where, f"two types would be named {cls.__name__}; rename one")
        self.enums[cls.__name__] = enumeration(cls)
        return value

    def _box(self, hint: Any, path: str, where: str) -> Value:
        """A message of its own for what proto3 cannot hold in a field: lists in lists, tuples."""
        many, fixed = _many(hint), _fixed(hint)
        if many is not None:
            name = f"{path}List"
            item = self._value(many[1], name, where)
            slots = [Slot(name="items", form=Form.MANY, values=(item,), collection=many[0])]
        elif fixed is not None:
            name = f"{path}Tuple"
            slots = [
                self._slot(name, f"item_{at}", one, None) for at, one in enumerate(fixed, start=1)
            ]
        elif len(_choices(hint)) > 1:
            name = f"{path}Choice"
            slots = [self._slot(name, "value", hint, None)]
        else:
            raise NoProto(where, f"{hint!r} has no form in proto3")
        box = self._add(Message(name=name, slots=tuple(slots)))
        word = "items" if many or fixed else "choice"
        kind = f"{package_of(self.module)}.{name}"
        return Value(sort=Sort.MESSAGE, type=kind, hint=hint, word=word, box=box)

    def _named(self, cls: type, sort: Sort) -> Value:
        try:
            package = package_of(module_of(cls))
        except ValueError as error:
            raise NoProto(cls.__qualname__, str(error)) from error
        return Value(
            sort=sort, type=f"{package}.{cls.__name__}", hint=cls, word=snake(cls.__name__)
        )


def enumeration(cls: type[Enum]) -> Enumeration:
    """An enum of text takes its values' names from the text, which is what others rely on."""
    prefix = prefix_of(cls.__name__)
    found: dict[str, Enum] = {}
    for one in cls:
        if isinstance(one.value, int) and one.value not in _INT64:
            raise NoProto(f"{cls.__qualname__}.{one.name}", f"{one.value} is more than 64 bits")
        said = one.value if isinstance(one.value, str) else one.name
        name = f"{prefix}_{re.sub(r'[^A-Za-z0-9]+', '_', said).upper()}"
        taken = name in found or name == f"{prefix}_UNSPECIFIED"
        if taken or _VALUE.fullmatch(name) is None or name.endswith("_"):
            raise NoProto(
                f"{cls.__qualname__}.{one.name}", f"{name} is taken, or no name in proto3"
            )
        found[name] = one
    return Enumeration(name=cls.__name__, cls=cls, values=found)


def errors_in(things: Iterable[Any]) -> list[type]:
    """Those of ``things`` that are errors of a contract."""
    return [one for one in things if isinstance(one, type) and issubclass(one, ContractError)]


def _is_message(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) or issubclass(cls, ContractError)


def _default(said: Any, where: str) -> Any:
    """MISSING when there is none."""
    if said is None:
        return dataclasses.MISSING
    if not isinstance(said, dataclasses.Field):
        return said
    if said.default_factory is not dataclasses.MISSING:
        return said.default_factory()
    if isinstance(said.default, int) and said.default not in _INT64:
        raise NoProto(where, f"its default {said.default} does not fit into 64 bits")
    return said.default


def _choices(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _many(hint: Any) -> tuple[type, Any] | None:
    """The collection and the type of its items, for ``tuple[X, ...]`` and ``frozenset[X]``."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is frozenset:
        return frozenset, arguments[0]
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple, arguments[0]
    return None


def _fixed(hint: Any) -> tuple[Any, ...] | None:
    if typing.get_origin(hint) is tuple and _many(hint) is None:
        return typing.get_args(hint)
    return None
