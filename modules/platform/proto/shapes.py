"""What a ``.proto`` is made of, apart from the numbers of its fields."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

TIMESTAMP = "google.protobuf.Timestamp"
NULL = "google.protobuf.NullValue"
# Where the types of others stand.
WELL_KNOWN = {
    TIMESTAMP: "google/protobuf/timestamp.proto",
    NULL: "google/protobuf/struct.proto",
}


class Sort(Enum):
    """What one value is on the wire."""

    SCALAR = "scalar"
    ENUM = "enum"
    MESSAGE = "message"


class Form(Enum):
    """How a slot holds its value."""

    ONE = "one"  # a field with presence
    MANY = "many"  # a repeated field; empty and absent are the same
    ONEOF = "oneof"  # a field for each type that the value may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value. ``type`` is a scalar's name or a full name; ``hint`` the contract's type.

    ``box`` is the message that was made because proto3 cannot hold ``hint`` in one field.
    """

    sort: Sort
    type: str
    hint: Any
    word: str  # what it is called as a member of a oneof
    note: str = ""
    box: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a message; ``oneof`` names the group it belongs to."""

    name: str
    type: str
    label: str = ""
    oneof: str = ""
    note: str = ""

    @property
    def signature(self) -> str:
        """What may not change under one number."""
        return f"repeated {self.type}" if self.label == "repeated" else self.type


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A dataclass's field or a method's parameter, and the field or fields that hold it.

    ``collection`` is tuple or frozenset for MANY; ``nullable``: absent means None;
    ``required``: absent is an error, unless it is nullable.
    """

    name: str
    form: Form
    values: tuple[Value, ...]
    nullable: bool = False
    required: bool = True
    collection: type | None = None

    def fields(self) -> tuple[Field, ...]:
        if self.form is Form.ONEOF:
            return tuple(
                Field(name=member(self, one), type=one.type, oneof=self.name, note=one.note)
                for one in self.values
            )
        one = self.values[0]
        if self.form is Form.MANY:
            note = "a set" if self.collection is frozenset else ""
            notes = ", ".join(filter(None, (one.note, note)))
            return (Field(name=self.name, type=one.type, label="repeated", note=notes),)
        label = "" if one.sort is Sort.MESSAGE else "optional"
        must = "required" if self.required and not self.nullable else ""
        notes = ", ".join(filter(None, (one.note, must)))
        return (Field(name=self.name, type=one.type, label=label, note=notes),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message. ``name`` has no package; ``cls`` is the dataclass it stands for, if any."""

    name: str
    slots: tuple[Slot, ...] = ()
    cls: type | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(field for slot in self.slots for field in slot.fields())


@dataclass(frozen=True, slots=True, kw_only=True)
class Enumeration:
    """An enum; ``values`` maps each of its members' names here to the member."""

    name: str
    cls: type[Enum]
    values: dict[str, Enum]

    @property
    def zero(self) -> str:
        """The value that says nothing: proto3 demands one."""
        return f"{prefix_of(self.name)}_UNSPECIFIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc:
    """One method of a service; ``method`` is its name in the port."""

    name: str
    method: str
    request: Message
    response: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One ``.proto``: what a module's contract says to callers."""

    module: str
    path: str
    package: str
    imports: tuple[str, ...] = ()
    service: str = ""
    rpcs: tuple[Rpc, ...] = ()
    messages: tuple[Message, ...] = ()
    enums: tuple[Enumeration, ...] = ()


def member(slot: Slot, one: Value) -> str:
    """The field of a oneof that holds ``one``."""
    return f"{slot.name}_{one.word}"


def package_of(module: str) -> str:
    return f"ficus.{module}.v1"


def path_of(module: str) -> str:
    """Where a module's file stands, relative to the project's root."""
    if module == "platform":
        return "modules/platform/proto/platform.proto"
    return f"modules/{module}/contract/{module}.proto"


def prefix_of(name: str) -> str:
    """``PaymentState`` -> ``PAYMENT_STATE``: proto3 has one scope for the values of all enums."""
    letters = [
        f"_{letter}" if at and letter.isupper() and not name[at - 1].isupper() else letter
        for at, letter in enumerate(name)
    ]
    return "".join(letters).upper()


def camel(name: str) -> str:
    """``public_keys`` -> ``PublicKeys``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
