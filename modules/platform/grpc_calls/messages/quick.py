"""The quick way between values and messages: a function for each message, made of its fields.

``mapping`` goes field by field and knows where it is, so that an error names its place; that costs
three times the CPU of assignments that stand one below the other. So these are made, as dataclasses
makes its methods: from text, in which only names of fields stand (they are identifiers of Python),
and everything else comes by the namespace. They do what ``mapping`` does, and name nothing: whoever
meets an error here lets ``mapping`` do it again, and say what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from modules.platform.grpc_calls.messages.mapping import (
    MISSING,
    Known,
    MessageCoder,
    SlotCoder,
    as_is,
    single,
    to_and_back,
)
from modules.platform.proto.shapes import Form, Slot, Sort, Value

Write = Callable[[Any, Any], None]
Read = Callable[[Any], Any]


class Quick:
    """Of one message; each function is made when it is first needed: a type may hold itself."""

    def __init__(self, coder: MessageCoder, known: Known) -> None:
        self._coder, self._known = coder, known

    @cached_property
    def fill(self) -> Write:
        """``fill(message, value)``: from a value's attributes."""
        text = _Text(self._known)
        for slot in self._coder.shape:
            text.write(slot, f"value.{slot.name}")
        made: Write = text.made("message, value")
        return made

    @cached_property
    def fill_given(self) -> Write:
        """``fill_given(message, given)``: from a mapping; what is not in it is left out."""
        text = _Text(self._known)
        for slot in self._coder.shape:
            text.line(f"if {slot.name!r} in value:")
            text.deeper().write(slot, f"value[{slot.name!r}]")
        made: Write = text.made("message, value")
        return made

    @cached_property
    def given(self) -> Read:
        """``given(message)``: the fields by name, those without a value left out."""
        return self._reading(dict)

    @cached_property
    def read(self) -> Read:
        """``read(message)``: the dataclass again."""
        return self._reading(self._coder.cls)

    def _reading(self, kind: Any) -> Read:
        text = _Text(self._known)
        text.line("has = message.HasField")
        if any(_may_be_left_out(slot) for slot in self._coder.shape):
            text.line("more = {}")
        given = [text.read(slot) or "**more" for slot in self._coder.shape]
        text.line(f"return {text.named(kind)}({', '.join(dict.fromkeys(given))})")
        made: Read = text.made("message")
        return made


class _Text:
    """Lines of a function, and what they speak of."""

    def __init__(
        self, known: Known, lines: list[str] | None = None, names: Any = None, depth: int = 1
    ) -> None:
        self._known = known
        self._lines: list[str] = [] if lines is None else lines
        self._names: dict[str, Any] = {} if names is None else names
        self._indent = "    " * depth
        self._depth = depth

    def line(self, text: str) -> None:
        self._lines.append(f"{self._indent}{text}")

    def deeper(self) -> _Text:
        return _Text(self._known, self._lines, self._names, self._depth + 1)

    def named(self, thing: Any) -> str:
        name = f"_{len(self._names)}"
        self._names[name] = thing
        return name

    def made(self, parameters: str) -> Any:
        source = "\n".join([f"def made({parameters}):", *(self._lines or ["    pass"])])
        exec(source, self._names)  # noqa: S102 - of fields' names, see above
        return self._names["made"]

    # ---------------------------------------------------------------- out

    def write(self, slot: Slot, given: str) -> None:
        """Lines that put the expression ``given`` into the message."""
        if slot.nullable:
            self.line(f"one = {given}")
            self.line("if one is not None:")
            self.deeper()._write(slot, "one")
        else:
            self._write(slot, given)

    def _write(self, slot: Slot, given: str) -> None:
        if slot.form is Form.ONEOF:
            self.line(f"{self.named(SlotCoder(slot, self._known).write)}(message, {given})")
        elif slot.form is Form.MANY:
            self._write_many(slot, given)
        elif slot.values[0].sort is Sort.MESSAGE:
            self.line(f"part = message.{slot.name}")
            if not self._sets_a_field(slot.values[0]):
                self.line("part.SetInParent()")  # also when nothing is set in it
            self.line(f"{self._filler(slot.values[0])}(part, {given})")
        else:
            self.line(f"message.{slot.name} = {self._to(slot.values[0], given)}")

    def _write_many(self, slot: Slot, given: str) -> None:
        value = slot.values[0]
        if value.sort is Sort.MESSAGE:
            self.line(f"add = message.{slot.name}.add")
            self.line(f"for item in {given}:")
            self.deeper().line(f"{self._filler(value)}(add(), item)")
            return
        self.line(f"items = {given}")
        self.line("if isinstance(items, (str, bytes)): raise TypeError")
        self.line(f"message.{slot.name}.extend([{self._to(value, 'item')} for item in items])")

    def _sets_a_field(self, value: Value) -> bool:
        """Whether filling it sets a field that has presence, whatever the value."""
        coder = single(value, self._known)
        return type(coder) is MessageCoder and any(
            slot.form is Form.ONE and slot.values[0].sort is not Sort.MESSAGE and not slot.nullable
            for slot in coder.shape
        )

    def _filler(self, value: Value) -> str:
        coder = single(value, self._known)
        if type(coder) is MessageCoder:
            return f"{self.named(Quick(coder, self._known))}.fill"
        return self.named(coder.fill)

    def _to(self, value: Value, given: str) -> str:
        if value.hint is UUID:
            return f"{given}.bytes"
        if value.sort is Sort.ENUM:
            return f"{self.named(self._known.numbers(value.type))}[{given}]"
        to, _ = to_and_back(value, self._known)
        return given if to is as_is else f"{self.named(to)}({given})"

    # ---------------------------------------------------------------- in

    def read(self, slot: Slot) -> str:
        """``name=expression``; or nothing, and lines that put it among ``more`` if it is there."""
        name = slot.name
        if slot.form is Form.MANY:
            item, kind = self._back(slot.values[0], "item"), self.named(slot.collection or tuple)
            return f"{name}={kind}([{item} for item in message.{name}])"
        if slot.form is Form.ONEOF:
            return self._read_choice(slot)
        value = self._back(slot.values[0], f"message.{name}")
        if slot.nullable:
            return f"{name}={value} if has({name!r}) else None"
        if slot.required:
            self.line(f"if not has({name!r}): raise ValueError")
            return f"{name}={value}"
        self.line(f"if has({name!r}): more[{name!r}] = {value}")
        return ""

    def _read_choice(self, slot: Slot) -> str:
        self.line(f"one = {self.named(SlotCoder(slot, self._known).read)}(message)")
        self.line(f"if one is not {self.named(MISSING)}: more[{slot.name!r}] = one")
        return ""

    def _back(self, value: Value, given: str) -> str:
        if value.sort is Sort.MESSAGE:
            coder = single(value, self._known)
            if type(coder) is MessageCoder:
                return f"{self.named(Quick(coder, self._known))}.read({given})"
            return f"{self.named(coder.read)}({given})"
        if value.hint is UUID:
            return f"{self.named(UUID)}(bytes={given})"
        if value.sort is Sort.ENUM:
            numbers = self._known.numbers(value.type)
            return f"{self.named({number: one for one, number in numbers.items()})}[{given}]"
        _, back = to_and_back(value, self._known)
        return given if back is as_is else f"{self.named(back)}({given})"


def _may_be_left_out(slot: Slot) -> bool:
    """Whether reading it may give nothing, which is its default."""
    if slot.form is Form.ONE:
        return not slot.nullable and not slot.required
    return slot.form is Form.ONEOF


class Both:
    """The quick way, and ``mapping`` where it meets an error."""

    def __init__(self, coder: MessageCoder, known: Known, message: type[Message]) -> None:
        self._coder, self._quick, self._message = coder, Quick(coder, known), message

    def packed(self, given: Mapping[str, Any]) -> bytes:
        """The message with ``given`` in it. Raises Unwritable naming the field."""
        message = self._message()
        try:
            self._quick.fill_given(message, given)
        except Exception:
            message = self._message()
            self._coder.fill_given(message, given)
        return message.SerializeToString()

    def unpacked(self, message: Message) -> dict[str, Any]:
        """The fields by name, those without a value left out. Raises Unreadable naming one."""
        try:
            found: dict[str, Any] = self._quick.given(message)
        except Exception:
            return self._coder.given(message)
        return found
