"""Numbers of fields: read from a committed ``.proto``, kept for ever, never given twice.

A field keeps its number while its name and type stay; a changed type is another field. What is
gone stays ``reserved``, number and name. So two versions never read one number as two things
(https://protobuf.dev/programming-guides/proto3/#assigning).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from modules.platform.proto.shapes import Enumeration, File, Message

_OPENS = re.compile(r"(message|enum|service|oneof) (\w+) \{(\})?")
_FIELD = re.compile(r"(?:(optional|repeated) )?([\w.]+) (\w+) = (\d+);")
_VALUE = re.compile(r"(\w+) = (\d+);")
_RESERVED = re.compile(r"reserved (.+);")
_FORBIDDEN = range(19_000, 20_000)  # of the protocol itself


@dataclass(slots=True)
class Numbers:
    """Of one message or enum: what each name has, under which signature, and what is gone."""

    taken: dict[str, tuple[str, int]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    gone_names: set[str] = field(default_factory=set)

    def of(self, name: str, signature: str = "") -> int | None:
        """The number of a field; None when it has none, or had another type."""
        there = self.taken.get(name)
        return there[1] if there is not None and there[0] == signature else None


Numbering = Mapping[str, Numbers]  # by the name of the message or enum


def read(text: str) -> dict[str, Numbers]:
    """The numbers in the text of a ``.proto`` that ``text.py`` wrote."""
    found: dict[str, Numbers] = {}
    open_: list[tuple[str, str]] = []
    for line in map(str.strip, text.splitlines()):
        if opens := _OPENS.match(line):
            if opens[1] in ("message", "enum"):
                found[opens[2]] = Numbers()
            if not opens[3]:
                open_.append((opens[1], opens[2]))
        elif line == "}":
            open_.pop()
        elif holder := next(
            (one for one in reversed(open_) if one[0] in ("message", "enum")), None
        ):
            _read_line(line, found[holder[1]])
    return found


def _read_line(line: str, into: Numbers) -> None:
    if one := _FIELD.match(line):
        signature = f"repeated {one[2]}" if one[1] == "repeated" else one[2]
        into.taken[one[3]] = (signature, int(one[4]))
    elif value := _VALUE.match(line):
        into.taken[value[1]] = ("", int(value[2]))
    elif reserved := _RESERVED.match(line):
        for each in map(str.strip, reserved[1].split(",")):
            if each.startswith('"'):
                into.gone_names.add(each.strip('"'))
            else:
                into.gone.add(int(each))


def assign(file: File, before: Numbering) -> dict[str, Numbers]:
    """The numbers of every message and enum of ``file``; what ``before`` has is kept."""
    messages = {one.name: _of_message(one, before.get(one.name)) for one in file.messages}
    return messages | {one.name: _of_enum(one, before.get(one.name)) for one in file.enums}


def _of_message(message: Message, before: Numbers | None) -> Numbers:
    return _assigned({one.name: one.signature for one in message.fields}, before or Numbers())


def _of_enum(one: Enumeration, before: Numbers | None) -> Numbers:
    known = before or Numbers(taken={one.zero: ("", 0)})
    return _assigned(dict.fromkeys((one.zero, *one.values), ""), known)


def _assigned(wanted: Mapping[str, str], before: Numbers) -> Numbers:
    kept = {
        name: (signature, number)
        for name, signature in wanted.items()
        if (number := before.of(name, signature)) is not None
    }
    numbers = {number for _, number in before.taken.values()}
    gone = before.gone | (numbers - {number for _, number in kept.values()})
    last = max(numbers | gone, default=0)
    for name, signature in wanted.items():
        if name not in kept:
            last = last + 1 if last + 1 not in _FORBIDDEN else _FORBIDDEN.stop
            kept[name] = (signature, last)
    names = (before.gone_names | before.taken.keys()) - wanted.keys()
    return Numbers(taken=kept, gone=gone, gone_names=names)
