"""Contract values into messages and back, compiled once for each message from its slots.

Every field of ours has presence, so a missing one is told apart from a zero. What a contract does
not know is refused by name: an enum's number, a UUID of 15 bytes, a day that is in no calendar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from modules.platform.grpc_calls.messages.errors import Unreadable, Unwritable
from modules.platform.proto.shapes import TIMESTAMP, Form, Message, Slot, Sort, Value, member

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400  # seconds
MISSING: Any = object()


class Single(Protocol):
    """Writes and reads one value that is a message of its own."""

    def fill(self, message: Any, value: Any) -> None: ...

    def read(self, message: Any) -> Any: ...


class Known(Protocol):
    """Finds what a value's type is made of. Both take full names."""

    def coder(self, type: str) -> Single: ...

    def numbers(self, type: str) -> Mapping[Any, int]:
        """An enum's members and their numbers."""
        ...


class MessageCoder:
    """Of a dataclass, a method's arguments, or a box."""

    def __init__(self, message: Message, known: Known) -> None:
        self._name, self.cls = message.name, message.cls
        self._known = known
        self.shape = message.slots
        self._slots: tuple[SlotCoder, ...] | None = None

    @property
    def slots(self) -> tuple[SlotCoder, ...]:
        if self._slots is None:  # not sooner: a type may hold itself
            self._slots = tuple(SlotCoder(one, self._known) for one in self.shape)
        return self._slots

    def fill(self, message: Any, value: Any) -> None:
        """Raises Unwritable."""
        for slot in self.slots:
            slot.write(message, getattr(value, slot.name))

    def fill_given(self, message: Any, given: Mapping[str, Any]) -> None:
        """The same from names; what is not given is left to its default. Raises Unwritable."""
        for slot in self.slots:
            if slot.name in given:
                slot.write(message, given[slot.name])

    def given(self, message: Any) -> dict[str, Any]:
        """The fields by name, those without a value left out. Raises Unreadable."""
        found = {}
        for slot in self.slots:
            value = slot.read(message)
            if value is not MISSING:
                found[slot.name] = value
        return found

    def read(self, message: Any) -> Any:
        """The dataclass again. Raises Unreadable."""
        given = self.given(message)
        try:
            return self.cls(**given)  # type: ignore[misc]  # those without one are read by given()
        except (TypeError, ValueError) as error:
            raise Unreadable(f"is no {self._name}: {error}") from error


class BoxCoder(MessageCoder):
    """Of what needs a message of its own: a list in a list, a fixed tuple, a choice in a list."""

    def __init__(self, message: Message, known: Known) -> None:
        super().__init__(message, known)
        self._is_fixed = bool(message.slots) and message.slots[0].name == "item_1"

    def fill(self, message: Any, value: Any) -> None:
        if not self._is_fixed:
            self.slots[0].write(message, value)
            return
        if not isinstance(value, tuple) or len(value) != len(self.slots):
            raise Unwritable(f"is no tuple of {len(self.slots)}")
        for slot, one in zip(self.slots, value, strict=True):
            slot.write(message, one)

    def read(self, message: Any) -> Any:
        values = tuple(slot.read(message) for slot in self.slots)
        return values if self._is_fixed else values[0]


class SlotCoder:
    """Of one field or oneof: ``write(message, value)``, ``read(message)`` (or MISSING)."""

    def __init__(self, slot: Slot, known: Known) -> None:
        self.name = slot.name
        write, read = _FORMS[slot.form](slot, known)
        self._write: Callable[[Any, Any], None] = write
        self._read: Callable[[Any], Any] = read
        # None and MISSING are told apart: an absent optional argument is the callee's to fill in.
        self._absent = None if slot.nullable else MISSING
        self._must = slot.required and not slot.nullable
        self._nullable = slot.nullable

    def write(self, message: Any, value: Any) -> None:
        if value is None and self._nullable:
            return
        try:
            self._write(message, value)
        except Unwritable as error:
            raise error.under(self.name) from error
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise Unwritable(f"cannot hold {value!r:.80}: {error}", (self.name,)) from error

    def read(self, message: Any) -> Any:
        try:
            value = self._read(message)
        except Unreadable as error:
            raise error.under(self.name) from error
        except (ValueError, OverflowError) as error:
            raise Unreadable(f"cannot be read: {error}", (self.name,)) from error
        if value is not MISSING:
            return value
        if self._must:
            raise Unreadable("is missing", (self.name,))
        return self._absent


Pair = tuple[Callable[[Any, Any], None], Callable[[Any], Any]]


def _one(slot: Slot, known: Known) -> Pair:
    return _field(slot.name, slot.values[0], known)


def _field(name: str, value: Value, known: Known) -> Pair:
    """A singular field, also one of a oneof."""
    if value.sort is Sort.MESSAGE:
        coder = single(value, known)

        def write_message(message: Any, given: Any) -> None:
            part = getattr(message, name)
            part.SetInParent()  # also when nothing is set in it
            coder.fill(part, given)

        def read_message(message: Any) -> Any:
            return coder.read(getattr(message, name)) if message.HasField(name) else MISSING

        return write_message, read_message
    to, back = to_and_back(value, known)

    def write(message: Any, given: Any) -> None:
        setattr(message, name, to(given))

    def read(message: Any) -> Any:
        return back(getattr(message, name)) if message.HasField(name) else MISSING

    return write, read


def _many(slot: Slot, known: Known) -> Pair:
    name, value, collection = slot.name, slot.values[0], slot.collection or tuple
    if value.sort is Sort.MESSAGE:
        coder = single(value, known)

        def write_messages(message: Any, given: Any) -> None:
            into = getattr(message, name)
            for one in given:
                coder.fill(into.add(), one)

        def read_messages(message: Any) -> Any:
            return collection([coder.read(one) for one in getattr(message, name)])

        return write_messages, read_messages
    to, back = to_and_back(value, known)

    def write(message: Any, given: Any) -> None:
        if isinstance(given, str | bytes):
            raise TypeError("a text is no list of texts")
        getattr(message, name).extend([to(one) for one in given])

    def read(message: Any) -> Any:
        return collection([back(one) for one in getattr(message, name)])

    return write, read


def _oneof(slot: Slot, known: Known) -> Pair:
    fields = {member(slot, one): _field(member(slot, one), one, known) for one in slot.values}
    kinds = [(_class_of(one), member(slot, one)) for one in slot.values]
    exact = dict(reversed(kinds))

    def write(message: Any, given: Any) -> None:
        name = exact.get(type(given))
        if name is None:
            name = next((name for kind, name in kinds if isinstance(given, kind)), None)
        if name is None:
            raise Unwritable(f"may not be {type(given).__name__}")
        fields[name][0](message, given)

    def read(message: Any) -> Any:
        name = message.WhichOneof(slot.name)
        return MISSING if name is None else fields[name][1](message)

    return write, read


_FORMS: Mapping[Form, Callable[[Slot, Known], Pair]] = {
    Form.ONE: _one,
    Form.MANY: _many,
    Form.ONEOF: _oneof,
}


def _class_of(value: Value) -> type:
    if value.box is None:
        kind: type = value.hint
        return kind
    return value.box.slots[0].collection or tuple


def to_and_back(value: Value, known: Known) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """What turns a value that is no message into what a field holds, and back."""
    if value.hint is type(None):
        return (lambda _: 0), (lambda _: None)
    if value.hint is UUID:
        return (lambda one: one.bytes), (lambda data: UUID(bytes=data))
    if value.sort is Sort.ENUM:
        numbers = known.numbers(value.type)
        return numbers.__getitem__, _Members(value, numbers)
    return as_is, as_is


def as_is(value: Any) -> Any:
    return value


class _Members:
    """An enum's members by number."""

    def __init__(self, value: Value, numbers: Mapping[Any, int]) -> None:
        self._name = value.type
        self._members = {number: one for one, number in numbers.items()}

    def __call__(self, number: int) -> Any:
        try:
            return self._members[number]
        except KeyError:
            raise Unreadable(f"has {number}, which is no {self._name} here") from None


def single(value: Value, known: Known) -> Single:
    if value.type == TIMESTAMP:
        return _Times()
    if value.hint is date:
        return _Days(known.coder(value.type))
    return known.coder(value.type)


class _Times:
    """An aware datetime as a Timestamp, to the microsecond; it comes back in UTC."""

    def fill(self, message: Any, value: datetime) -> None:
        if value.tzinfo is None:
            raise Unwritable("is a time without a time zone")
        since = value - _EPOCH
        message.seconds = since.days * _DAY + since.seconds
        message.nanos = since.microseconds * 1000

    def read(self, message: Any) -> datetime:
        if not 0 <= message.nanos < 1_000_000_000:
            raise Unreadable(f"has {message.nanos} nanoseconds")
        return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


class _Days:
    """A date as our own Date."""

    def __init__(self, parts: Single) -> None:
        self._parts = parts

    def fill(self, message: Any, value: date) -> None:
        self._parts.fill(message, value)

    def read(self, message: Any) -> date:
        parts = self._parts.read(message)
        return date(parts.year, parts.month, parts.day)
