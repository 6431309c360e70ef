"""Reads YAML or JSON text into plain values and remembers the line of each path.

Of YAML this is the core: mappings, lists, text, whole numbers, numbers, true, false, null, as
YAML 1.2 spells them (``no`` and ``12:30`` are text). Anchors, aliases, tags, merge keys, several
documents and keys that occur twice are refused: what stands there is what is meant. It works on
the parser's events, because composing a tree of C nodes overflows the stack on deep nesting.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import yaml

from strangler_proxy.document.fastest import Parser
from strangler_proxy.errors import Finding, TableRefused

SIZE_LIMIT = 1 << 20  # bytes: some 3,000 routes; a second of parsing
DEPTH_LIMIT = 32  # four times what the format needs
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})").fullmatch
_NUMBER = re.compile(
    r"[-+]?(?=[.0-9]*[.eE])([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\Z"  # 3 is whole, 3.0 is not
)


class Lines:
    """The line at which each path of a document stands, beginning with 1."""

    __slots__ = ("_lines",)

    def __init__(self, lines: dict[str, int] | None = None) -> None:
        self._lines = lines or {}

    def of(self, path: str) -> int | None:
        """The line of ``path``, or of the nearest part around it that the text has."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return None

    def place(self, findings: Iterator[Finding]) -> list[Finding]:
        """The findings with their lines, in the order of the text."""
        placed = [f if f.line else replace(f, line=self.of(f.path)) for f in findings]
        return sorted(dict.fromkeys(placed), key=lambda finding: finding.line or 0)


def read(text: str, source: str) -> tuple[Any, Lines]:
    """Plain values and their lines; text that begins with ``{`` is JSON. Raises TableRefused."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise _refused(source, f"character {error.start} is half of a surrogate pair") from None
    if size > SIZE_LIMIT:
        reason = f"is {size} bytes long; a routing document has at most {SIZE_LIMIT}"
        raise _refused(source, reason)
    if text.lstrip("\ufeff \t\r\n")[:1] == "{":
        return _read_json(text.lstrip("\ufeff"), source)
    return _read_yaml(text, source)


def _refused(source: str, reason: str, line: int | None = None) -> TableRefused:
    return TableRefused([Finding(path="$", reason=reason, line=line)], source)


# ---------------------------------------------------------------- YAML


def _read_yaml(text: str, source: str) -> tuple[Any, Lines]:
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=Parser):
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        said = error.problem or error.context
        if line and re.match(r" *\t", (text.splitlines() + [""] * line)[line - 1]):
            said = "it is indented by a tab; write spaces"
        raise _refused(source, f"is not YAML: {said}", line) from None
    except yaml.YAMLError as error:
        raise _refused(source, f"is not YAML: {str(error).splitlines()[0]}") from None
    except _TooDeep as error:
        raise _refused(source, str(error), error.line) from None
    lines = Lines(builder.lines)
    if builder.findings:
        raise TableRefused(lines.place(iter(builder.findings)), source)
    return builder.root, lines


class _TooDeep(Exception):
    """More nesting than the format has."""

    def __init__(self, line: int) -> None:
        super().__init__(f"is nested deeper than {DEPTH_LIMIT}")
        self.line = line


class _Frame:
    """A mapping or list that is open. ``key`` is that of the value to come."""

    __slots__ = ("key", "path", "values")

    def __init__(self, values: Any, path: str) -> None:
        self.values = values
        self.path = path
        self.key: str | None = None


class _Builder:
    """Makes plain values of the parser's events."""

    def __init__(self) -> None:
        self.root: Any = None
        self.lines: dict[str, int] = {}
        self.findings: list[Finding] = []
        self._open: list[_Frame] = []
        self._documents = 0

    def feed(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start({} if isinstance(event, yaml.MappingStartEvent) else [], event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._find(self._path(), "repeats by an alias; write it out", event)
            self._take("", None, event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents == 2:
                self._find("$", "a second document begins; one is read", event)

    def _start(self, values: Any, event: yaml.CollectionStartEvent) -> None:
        if len(self._open) == DEPTH_LIMIT:
            raise _TooDeep(_line(event))
        path = self._path()
        self._plain_only(path, event)
        if self._expects_key():
            self._find(path, "a key is text, not a mapping or a list", event)
        self._take("", values, event)
        self._open.append(_Frame(values, path))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        path = self._path()
        self._plain_only(path, event)
        text = event.value
        if self._expects_key():
            if event.implicit[0] and text == "<<":
                self._find(path, "merges by <<; write it out", event)
            self._take(text, None, event)
            return
        value = _meaning(text) if event.implicit[0] else text
        if isinstance(value, float) and not math.isfinite(value):
            self._find(path, f"{text} is too large a number", event)
        self._take("", value, event)

    def _take(self, key: str, value: Any, event: yaml.Event) -> None:
        """Put what came where it belongs; in a mapping keys and values take turns."""
        frame = self._open[-1] if self._open else None
        line = _line(event)
        if frame is None:
            self.root = value if self._documents == 1 else self.root
            self.lines.setdefault("$", line)
        elif isinstance(frame.values, list):
            self.lines.setdefault(self._path(), line)
            frame.values.append(value)
        elif frame.key is None:
            frame.key = key
            first = self.lines.setdefault(self._path(), line)
            if key in frame.values:
                self._find(self._path(), f"stands there twice, first in line {first}", event)
        else:
            frame.values[frame.key] = value
            frame.key = None

    def _expects_key(self) -> bool:
        frame = self._open[-1] if self._open else None
        return frame is not None and frame.key is None and isinstance(frame.values, dict)

    def _path(self) -> str:
        """The path of what comes next."""
        if not self._open:
            return "$"
        frame = self._open[-1]
        if isinstance(frame.values, list):
            return f"{frame.path}[{len(frame.values)}]"
        return frame.path if frame.key is None else f"{frame.path}.{frame.key}"

    def _plain_only(self, path: str, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            self._find(path, f"has an anchor, &{event.anchor}; write it out where needed", event)
        if event.tag is not None:
            self._find(path, f"has a tag, {event.tag}; only plain values are read", event)

    def _find(self, path: str, reason: str, event: yaml.Event) -> None:
        line = _line(event)
        self.findings.append(Finding(path=path, reason=reason, line=line))


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark is not None else 1


def _meaning(text: str) -> Any:
    """What an unquoted word is by YAML 1.2's core schema."""
    if text in _NULL:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _WHOLE(text):
        return int(text)
    if _NUMBER.match(text):
        return float(text)
    return text


# ---------------------------------------------------------------- JSON


def _read_json(text: str, source: str) -> tuple[Any, Lines]:
    twice: list[str] = []
    try:
        values = json.loads(
            text,
            object_pairs_hook=lambda pairs: _object(pairs, twice),
            parse_constant=_finite,
            parse_float=_finite,
        )
        json.dumps(values, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise _refused(source, f"is not JSON: {error.msg}", error.lineno) from None
    except UnicodeEncodeError:
        raise _refused(source, "has half of a surrogate pair") from None
    except RecursionError:
        raise _refused(source, f"is nested deeper than {DEPTH_LIMIT}") from None
    except ValueError as error:
        raise _refused(source, str(error)) from None
    lines, findings = _lines_of_json(text)
    if twice and not findings:
        findings = [Finding(path="$", reason=f"{key} stands there twice") for key in twice]
    if findings:
        raise TableRefused(lines.place(iter(findings)), source)
    return values, lines


def _object(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        twice += [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    return values


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a number that JSON has")
    return value


def _lines_of_json(text: str) -> tuple[Lines, list[Finding]]:
    """JSON is nearly YAML: where it is not (a key of 1,024 characters, say) there are no lines."""
    builder = _Builder()
    try:
        for event in yaml.parse(text.replace("\t", " "), Loader=Parser):
            builder.feed(event)
    except _TooDeep as error:
        return Lines(), [Finding(path="$", reason=str(error), line=error.line)]
    except yaml.YAMLError:
        return Lines(), []
    return Lines(builder.lines), builder.findings
