"""Whether those who know the old contract get along with the new one, and the other way round.

Both live at once: while hosts are rolled out, while a module is extracted, and in outboxes that
hold yesterday's events. So a change is compatible only if old readers understand new writers *and*
new readers understand old writers: what is added must have a default, what is there must stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from modules.platform.contracts.messages import snake
from modules.platform.contracts.schema import (
    ErrorShape,
    EventShape,
    Fields,
    MethodShape,
    Snapshot,
)

# (type without version, from version, to version): whether a chain of upcasts leads there.
CanUpcast = Callable[[str, int, int], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A breaking change. ``place`` is like ``payment: events.PaymentCaptured.amount``."""

    place: str
    fact: str
    way_out: str


def breaches(old: Snapshot, new: Snapshot, *, can_upcast: CanUpcast) -> tuple[Breach, ...]:
    """Every way in which ``new`` breaks those who rely on ``old``, and none that does not."""
    return tuple(
        Breach(place=f"{old.module}: {place}", fact=fact, way_out=way_out)
        for place, fact, way_out in _all(old, new, can_upcast)
    )


S = TypeVar("S")
Finding = tuple[str, str, str]  # place, fact, way out

STAY = "leave it and add the new one beside it; take it out when nobody uses it any more"
DEFAULT = "give it a default, so that those who do not know it need not send it"
NEW_NAME = "leave its type and add a new field, with a default, beside it"


def _all(old: Snapshot, new: Snapshot, can_upcast: CanUpcast) -> Iterator[Finding]:
    if old.port != new.port:
        yield f"port.{old.port}", f"the port is now named {new.port!r}", STAY
    yield from _each("methods", old.methods, new.methods, _method)
    yield from _each("commands", old.commands, new.commands, _fields)
    yield from _each("types", old.types, new.types, _fields)
    yield from _each("errors", old.errors, new.errors, _error)
    yield from _each("enums", old.enums, new.enums, _Enums(new).compare)
    yield from _each("events", old.events, new.events, _Events(new, can_upcast).compare)


def _each(
    section: str,
    old: Mapping[str, S],
    new: Mapping[str, S],
    compare: Callable[[str, S, S], Iterator[Finding]],
) -> Iterator[Finding]:
    for name, shape in old.items():
        place = f"{section}.{name}"
        if name not in new:
            yield place, f"{name} was taken out or renamed", STAY
        else:
            yield from compare(place, shape, new[name])


def _fields(place: str, old: Fields, new: Fields) -> Iterator[Finding]:
    for name, shape in old.items():
        at = f"{place}.{name}"
        if name not in new:
            yield at, f"{name} was taken out or renamed", STAY
            continue
        if new[name].type != shape.type:
            yield at, f"its type was {shape.type} and is {new[name].type}", NEW_NAME
        if new[name].required and not shape.required:
            yield at, "it had a default and is required now", DEFAULT
        if shape.positional and not new[name].positional:
            yield at, "it could be passed by position and is keyword-only now", STAY
    for name in new:
        if name not in old and new[name].required:
            yield f"{place}.{name}", f"{name} is new and required", DEFAULT


def _method(place: str, old: MethodShape, new: MethodShape) -> Iterator[Finding]:
    yield from _fields(place, old.parameters, new.parameters)
    if old.returns != new.returns:
        yield (
            place,
            f"it returned {old.returns} and returns {new.returns}",
            "add a method with the new result beside it",
        )


def _error(place: str, old: ErrorShape, new: ErrorShape) -> Iterator[Finding]:
    yield from _fields(place, old.fields, new.fields)
    for name in ("code", "retryable", "kind"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield (
                place,
                f"its {name} was {before} and is {after}",
                "callers branch on it: declare a new error beside it",
            )


class _Enums:
    """A value that is only ever sent *to* the module may be added: nobody else has to read it."""

    def __init__(self, new: Snapshot) -> None:
        self.read_by_others = _reachable(
            new,
            [
                *(method.returns for method in new.methods.values()),
                *(one.type for event in new.events.values() for one in event.fields.values()),
                *(one.type for error in new.errors.values() for one in error.fields.values()),
            ],
        )

    def compare(self, place: str, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[Finding]:
        for value in old:
            if value not in new:
                yield place, f"the value {value!r} was taken out or renamed", STAY
        if place.partition(".")[2] not in self.read_by_others:
            return
        for value in new:
            if value not in old:
                yield (
                    place,
                    f"the value {value!r} is new, and readers of the old contract refuse it",
                    "tell it in a new field with a default, or in a new type for a new method",
                )


class _Events:
    """An event may change as it likes in a new version to which the old ones can be upcast."""

    def __init__(self, new: Snapshot, can_upcast: CanUpcast) -> None:
        self.module = new.module
        self.can_upcast = can_upcast

    def compare(self, place: str, old: EventShape, new: EventShape) -> Iterator[Finding]:
        if old.key != new.key:
            yield (
                place,
                f"its KEY was {old.key} and is {new.key}",
                "the order of its events hangs on it: declare a new event beside it",
            )
        if new.version < old.version:
            yield place, f"its version fell from {old.version} to {new.version}", STAY
        elif new.version == old.version:
            for at, fact, way_out in _fields(place, old.fields, new.fields):
                yield at, fact, f"{way_out}; or raise VERSION and register an upcast"
        elif not self.can_upcast(self._type(place), old.version, new.version):
            yield (
                place,
                f"version {new.version} has no upcast from version {old.version}",
                f'register upcast("{self._type(place)}", {old.version}, ...) in the module\'s '
                f"apps.py",
            )

    def _type(self, place: str) -> str:
        return f"{self.module}.{snake(place.partition('.')[2])}"


def _reachable(one: Snapshot, texts: list[str]) -> frozenset[str]:
    """The names of types and enums that the type texts lead to."""
    seen: set[str] = set()
    pending = list(texts)
    while pending:
        for name in _names_in(pending.pop()):
            if name not in seen:
                seen.add(name)
                pending += [shape.type for shape in one.types.get(name, {}).values()]
    return frozenset(seen)


def _names_in(text: str) -> list[str]:
    for mark in "<>|,":
        text = text.replace(mark, " ")
    return text.split()
