"""The message classes of contracts, made at run time: no compiler, no generated Python.

Types come from the contract's code, numbers from its committed ``.proto``; where the two differ
the contract is refused with what to run. Descriptors live in a pool of their own, so that they
meet nobody else's.
"""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from google.protobuf import struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message as Wire
from google.protobuf.message_factory import GetMessageClass

from modules.platform import proto
from modules.platform.discovery.forking import renew_after_fork
from modules.platform.grpc_calls.messages.mapping import BoxCoder, MessageCoder
from modules.platform.proto.errors import ProtoMissing, ProtoStale
from modules.platform.proto.files import PLATFORM, file_of
from modules.platform.proto.numbering import Numbering, read
from modules.platform.proto.shapes import NULL, Field, File, Message

_SCALARS = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}
_FULL_NAME = re.compile(r"ficus\.([a-z][a-z0-9_]*)\.v1\.(\w+)")


def committed(module: str) -> str:
    """The text of a module's ``.proto``, beside its contract. Raises ProtoMissing."""
    if module == PLATFORM:
        path = Path(proto.__file__).with_name("platform.proto")
    else:
        contract = importlib.import_module(f"modules.{module}.contract")
        path = Path(contract.__path__[0]) / f"{module}.proto"
    if not path.is_file():
        raise ProtoMissing(module)
    return path.read_text(encoding="utf-8")


class Library:
    """Message classes and their coders, by full name; each module's are made when first needed.

    Safe between threads.
    """

    def __init__(
        self,
        *,
        files: Callable[[str], File] = file_of,
        texts: Callable[[str], str] = committed,
    ) -> None:
        """``files`` gives a module's shapes, ``texts`` the text of its ``.proto``."""
        self._files, self._texts = files, texts
        self._pool = DescriptorPool()
        for module in (timestamp_pb2, struct_pb2):
            self._pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        self.after_fork()
        renew_after_fork(self)
        self._loaded: dict[str, File] = {}
        self._coders: dict[str, MessageCoder] = {}
        self._numbers: dict[str, Mapping[Any, int]] = {NULL: {None: 0}}
        self._classes: dict[str, type[Wire]] = {}

    def after_fork(self) -> None:
        """A thread of the parent's may have held it."""
        self._lock = threading.RLock()

    def file(self, module: str) -> File:
        """The shapes of a module. Raises ImportError, NoProto, ProtoMissing, ProtoStale."""
        found = self._loaded.get(module)
        if found is not None:
            return found
        with self._lock:
            if module not in self._loaded:
                self._load(module)
            return self._loaded[module]

    def message(self, type: str) -> type[Wire]:
        """The class of a message, by full name."""
        self._ensure(type)
        return self._classes[type]

    def coder(self, type: str) -> MessageCoder:
        """What writes and reads a message, by full name."""
        self._ensure(type)
        return self._coders[type]

    def numbers(self, type: str) -> Mapping[Any, int]:
        """An enum's members and their numbers, by full name."""
        if type != NULL:
            self._ensure(type)
        return self._numbers[type]

    def contract_class(self, type: str) -> Any:
        """The class that a message stands for, by full name; None when this host has none."""
        named = _FULL_NAME.fullmatch(type)
        if named is None:
            return None
        try:
            messages = self.file(named[1]).messages
        except ImportError:
            return None
        return next((one.cls for one in messages if one.name == named[2]), None)

    def descriptor(self, module: str) -> FileDescriptorProto:
        """What protoc would say of the module's ``.proto``, services left out."""
        file = self.file(module)
        said = FileDescriptorProto()
        self._pool.FindFileByName(file.path).CopyToProto(said)
        return said

    def _ensure(self, type: str) -> None:
        if type not in self._coders and type not in self._numbers:
            self.file(type.split(".")[1])

    def _load(self, module: str) -> None:
        if module != PLATFORM:
            self.file(PLATFORM)
        file = self._files(module)
        numbering = read(self._texts(module))
        self._pool.Add(_described(file, numbering))
        boxes = _boxes(file)
        for message in file.messages:
            name = f"{file.package}.{message.name}"
            self._classes[name] = GetMessageClass(self._pool.FindMessageTypeByName(name))
            kind = BoxCoder if message.name in boxes else MessageCoder
            self._coders[name] = kind(message, self)
        for one in file.enums:
            taken = numbering[one.name].taken
            self._numbers[f"{file.package}.{one.name}"] = {
                each: taken[name][1] for name, each in one.values.items()
            }
        self._loaded[module] = file  # last: others look here without the lock


def _boxes(file: File) -> set[str]:
    slots = [slot for message in file.messages for slot in message.slots]
    return {value.box.name for slot in slots for value in slot.values if value.box is not None}


def _described(file: File, numbering: Numbering) -> FileDescriptorProto:
    said = FileDescriptorProto(
        name=file.path, package=file.package, syntax="proto3", dependency=file.imports
    )
    kinds = {f"{file.package}.{one.name}" for one in file.enums} | {NULL}
    for message in sorted(file.messages, key=lambda one: one.name):
        _describe(said.message_type.add(name=message.name), message, file, numbering)
    for one in sorted(file.enums, key=lambda one: one.name):
        enum = said.enum_type.add(name=one.name)
        there = numbering.get(one.name)
        for name in (one.zero, *one.values):
            if there is None or there.of(name) is None:
                raise ProtoStale(file.module, f"{one.name}.{name}")
        assert there is not None  # noqa: S101 - the loop has at least the zero
        for name, (_, number) in sorted(there.taken.items(), key=lambda item: item[1][1]):
            enum.value.add(name=name, number=number)
    for message_type in said.message_type:
        for field in message_type.field:
            if field.type_name.lstrip(".") in kinds:
                field.type = FieldDescriptorProto.TYPE_ENUM
    return said


def _describe(into: DescriptorProto, message: Message, file: File, numbering: Numbering) -> None:
    numbers = numbering.get(message.name)
    if numbers is None:
        raise ProtoStale(file.module, message.name)
    placed = []
    for one in message.fields:
        number = numbers.of(one.name, one.signature)
        if number is None:
            raise ProtoStale(file.module, f"{message.name}.{one.name}")
        placed.append((number, one))
    placed.sort(key=lambda pair: pair[0])
    groups = list(dict.fromkeys(one.oneof for _, one in placed if one.oneof))
    for group in groups:
        into.oneof_decl.add(name=group)
    for number, one in placed:
        _describe_field(into, one, number, groups)


def _describe_field(into: DescriptorProto, one: Field, number: int, groups: list[str]) -> None:
    many = one.label == "repeated"
    field = into.field.add(
        name=one.name,
        number=number,
        label=FieldDescriptorProto.LABEL_REPEATED if many else FieldDescriptorProto.LABEL_OPTIONAL,
    )
    if one.type in _SCALARS:
        field.type = _SCALARS[one.type]
    else:
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{one.type}"
    if one.oneof:
        field.oneof_index = groups.index(one.oneof)
    elif one.label == "optional":
        # Presence of a scalar is a oneof of one, which stands behind the real ones.
        field.proto3_optional = True
        field.oneof_index = len(into.oneof_decl)
        into.oneof_decl.add(name=f"_{one.name}")


@lru_cache(maxsize=1)
def library() -> Library:
    """This process's."""
    return Library()
