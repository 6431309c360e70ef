"""Words of nginx's configuration: strings, times, addresses, blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

Lines = Iterator[str]
_SPECIAL = re.compile(r'[\\"\n\r\t]')
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str) -> str:
    """A string in which variables keep their meaning."""
    return '"' + _SPECIAL.sub(lambda found: _ESCAPED[found[0]], text) + '"'


def literal(text: str) -> str:
    """A string as it is, where nginx would read variables."""
    return quoted(text.replace("$", "${dollar}"))


def regex(text: str) -> str:
    """A regular expression as one word, in which a dollar stays one."""
    return quoted(text)


def milliseconds(seconds: float) -> str:
    """A time."""
    return f"{max(1, round(seconds * 1000))}ms"


def address(text: str) -> str:
    """Where to listen or to connect; nginx writes unix sockets as the document does."""
    return text


def block(head: str, lines: Iterable[str]) -> Lines:
    """A block with its lines indented."""
    yield f"{head} {{"
    for line in lines:
        yield f"    {line}"
    yield "}"


def mapping(source: str, variable: str, cases: dict[str, str]) -> Lines:
    """``map``: keys and values are words as nginx reads them."""
    yield from block(f"map {source} {variable}", [f"{k} {v};" for k, v in cases.items()])
