"""Words of HAProxy's configuration: strings, times, addresses, names."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r'[\\"$\x00-\x1f\x7f]')


def quoted(text: str) -> str:
    """One word, whatever is in it. HAProxy counts bytes: other characters pass as UTF-8."""
    return '"' + _SPECIAL.sub(lambda found: _escape(found[0]), text) + '"'


def _escape(character: str) -> str:
    return (
        f"\\x{ord(character):02x}"
        if ord(character) < 32 or character == "\x7f"
        else "\\" + character
    )


def formatted(text: str) -> str:
    """The same where a percent sign begins a variable."""
    return quoted(text.replace("%", "%%"))


def milliseconds(seconds: float) -> str:
    """A time; HAProxy knows no fractions, and its longest is 24 days."""
    return f"{max(1, round(seconds * 1000))}ms"


def address(text: str) -> str:
    """Where to listen or to connect."""
    return "unix@" + text[5:] if text.startswith("unix:") else text


def acl(name: str, *tests: str) -> list[str]:
    """A condition under a name: one of ``tests`` holds."""
    return [f"acl {name} {test}" for test in tests]


def expression(regex: str) -> str:
    """A regular expression as one word."""
    return "'" + regex.replace("'", "'\\''") + "'"
