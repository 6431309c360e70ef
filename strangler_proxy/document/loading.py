"""Loads, writes and changes the routing document.

A document that loads has the right options with values of the right type and range; whether its
parts fit together is asked by ``table.compile_table``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from strangler_proxy.config import Document, Part
from strangler_proxy.document.schema import findings
from strangler_proxy.document.text import SIZE_LIMIT, Lines, read
from strangler_proxy.errors import Finding, TableRefused


def load(text: str, source: str = "the document") -> Document:
    """The document of YAML or JSON text. Raises TableRefused with all findings and their lines."""
    return load_with_lines(text, source)[0]


def load_file(path: Path | str) -> Document:
    """The same from a file in UTF-8. Raises TableRefused, also if it cannot be read."""
    return load(read_file(path), str(path))


def load_with_lines(text: str, source: str = "the document") -> tuple[Document, Lines]:
    """The same, and the line of each path."""
    values, lines = read(text, source)
    if values is None:
        raise TableRefused([Finding(path="$", reason="is empty")], source)
    return _convert(values, lines, source), lines


def read_file(path: Path | str) -> str:
    """The text of a document's file, not more of it than is taken. Raises TableRefused."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(SIZE_LIMIT + 1)
        if len(text) <= SIZE_LIMIT:
            return text.decode("utf-8-sig")
        reason = f"is longer than the {SIZE_LIMIT} bytes that a document may have"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8: byte {error.start}"
    raise TableRefused([Finding(path="$", reason=reason)], str(path))


def dump(document: Document) -> str:
    """JSON that loads as the same document; options at their defaults are left out.

    Every change of the table is written out beside the data path: YAML takes ten times as long.
    """
    text = msgspec.json.encode(_without_defaults(document))
    return msgspec.json.format(text, indent=2).decode()


def with_capability(document: Document, name: str, **changes: Any) -> Document:
    """A document in which one capability has changed, with the next revision.

    ``changes`` are merged as RFC 7396 says: mappings member by member, None takes an option back
    to its default. Raises TableRefused.
    """
    if name not in document.capabilities:
        known = ", ".join(document.capabilities) or "none"
        reason = f"there is no such capability; there are: {known}"
        raise TableRefused([Finding(path=f"$.capabilities.{name}", reason=reason)])
    values = msgspec.json.decode(msgspec.json.encode(document))
    values["capabilities"][name] = _merged(values["capabilities"][name], changes)
    values["revision"] += 1
    return _convert(values, Lines(), f"capability {name}")


def _convert(values: Any, lines: Lines, source: str) -> Document:
    """msgspec says whether it is right, in a hundredth of the time; the schema, all that is not."""
    try:
        return msgspec.convert(values, Document)
    except msgspec.ValidationError as error:
        found = lines.place(findings(values))
        reason, _, path = str(error).partition(" - at `")
        one = [Finding(path=path.rstrip("`") or "$", reason=reason)]
        raise TableRefused(found or one, source) from None


def _merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, change in changes.items():
        if change is None:
            merged.pop(name, None)
        elif isinstance(change, dict):
            old = merged.get(name)
            merged[name] = _merged(old if isinstance(old, dict) else {}, change)
        else:
            merged[name] = change
    return merged


def _without_defaults(part: Any) -> Any:
    if isinstance(part, Part):
        return {
            name: _without_defaults(value)
            for name, default in _defaults(type(part))
            if (value := getattr(part, name)) != default
            and not (default is msgspec.NODEFAULT and value == {})
        }
    if isinstance(part, dict):
        return {name: _without_defaults(value) for name, value in part.items()}
    if isinstance(part, tuple):
        return [_without_defaults(value) for value in part]
    return msgspec.to_builtins(part)


@cache
def _defaults(kind: type[Part]) -> tuple[tuple[str, Any], ...]:
    """The options of a part and their defaults. Kept: msgspec reads annotations for it."""
    return tuple((field.name, field.default) for field in msgspec.structs.fields(kind))
