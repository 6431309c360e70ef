"""Writes proto3: the same text for the same contract and numbers."""

from __future__ import annotations

from collections.abc import Iterator

from modules.platform.proto.numbering import Numbering, Numbers
from modules.platform.proto.shapes import Enumeration, Field, File, Message

_HEAD = """\
// The contract of {module} as Protocol Buffers, made by `manage.py modules proto`.
// Numbers are read back from here and kept: change the contract, never this file.
syntax = "proto3";

package {package};
"""


def written(file: File, numbers: Numbering) -> str:
    """The text of the ``.proto``."""
    parts = [_HEAD.format(module=file.module, package=file.package)]
    if file.imports:
        parts.append("".join(f'import "{path}";\n' for path in file.imports))
    if file.service:
        parts.append(_block(f"service {file.service}", _rpcs(file)))
    for message in sorted(file.messages, key=lambda one: one.name):
        parts.append(_block(f"message {message.name}", _fields(message, numbers[message.name])))
    for one in sorted(file.enums, key=lambda one: one.name):
        parts.append(_block(f"enum {one.name}", _values(one, numbers[one.name])))
    return "\n".join(parts)


def _block(head: str, lines: Iterator[str]) -> str:
    body = "".join(f"  {line}\n" for line in lines)
    return f"{head} {{\n{body}}}\n" if body else f"{head} {{}}\n"


def _rpcs(file: File) -> Iterator[str]:
    for one in file.rpcs:
        yield f"rpc {one.name}({one.request.name}) returns ({one.response.name});"


def _reserved(numbers: Numbers) -> Iterator[str]:
    if numbers.gone:
        yield f"reserved {', '.join(map(str, sorted(numbers.gone)))};"
    if numbers.gone_names:
        names = ", ".join(f'"{name}"' for name in sorted(numbers.gone_names))
        yield f"reserved {names};"


def _fields(message: Message, numbers: Numbers) -> Iterator[str]:
    yield from _reserved(numbers)
    begun = set[str]()
    in_order = sorted(message.fields, key=lambda one: numbers.taken[one.name][1])
    for one in in_order:
        if not one.oneof:
            yield _field(one, numbers)
        elif one.oneof not in begun:
            begun.add(one.oneof)
            yield f"oneof {one.oneof} {{"
            yield from (f"  {_field(m, numbers)}" for m in in_order if m.oneof == one.oneof)
            yield "}"


def _field(one: Field, numbers: Numbers) -> str:
    label = f"{one.label} " if one.label else ""
    note = f"  // {one.note}" if one.note else ""
    return f"{label}{one.type} {one.name} = {numbers.taken[one.name][1]};{note}"


def _values(one: Enumeration, numbers: Numbers) -> Iterator[str]:
    yield from _reserved(numbers)
    for name, (_, number) in sorted(numbers.taken.items(), key=lambda item: item[1][1]):
        yield f"{name} = {number};"
