"""What PostgreSQL was asked during a while, by who asked: from its own log of durations."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.benchmarks.stage import Stage

_PREFIX = "~%a~ "  # the application: each process of the shop is started with its own PGAPPNAME
_SETTINGS = {
    "log_line_prefix": f"'{_PREFIX}'",
    "log_min_duration_statement": "0",
    "log_parameter_max_length": "0",
}
_LINE = re.compile(r"^~(?P<who>[^~]*)~ LOG:  duration: (?P<ms>[\d.]+) ms  (?P<what>.*)$", re.DOTALL)
_KIND = re.compile(r"^(?P<kind>statement|parse|bind|execute)[^:]*: (?P<text>.*)$", re.DOTALL)
_LITERALS = ((re.compile(r"'(?:[^']|'')*'"), "?"), (re.compile(r"\b\d+(\.\d+)?\b"), "?"))
_MANY = re.compile(r"\(\?(, ?\?)+\)|ARRAY\[[^\]]*\]")
WIDTH = 150  # characters of a statement that are shown


@dataclass(slots=True)
class Statements:
    """Application and statement (literals removed) to how often and how many ms in all."""

    seen: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)

    def add(self, who: str, text: str, ms: float, times: int) -> None:
        count, total = self.seen.get((who, text), (0, 0.0))
        self.seen[who, text] = (count + times, total + ms)


@contextmanager
def logged(stage: Stage) -> Iterator[Statements]:
    """Have every statement logged for a while; the result is filled at the end."""
    log = stage.home / "postgres" / "server.log"
    found = Statements()
    with psycopg.connect(stage.database_url, autocommit=True) as server:
        for name, value in _SETTINGS.items():
            server.execute(f"ALTER SYSTEM SET {name} = {value}")
        server.execute("SELECT pg_reload_conf()")
        time.sleep(0.3)
        start = log.stat().st_size
        yield found
        for name in _SETTINGS:
            server.execute(f"ALTER SYSTEM RESET {name}")
        server.execute("SELECT pg_reload_conf()")
    _read(log, start, found)


def normal(text: str) -> str:
    """A statement on one line, without its literals."""
    text = " ".join(text.split())
    for pattern, stand_in in _LITERALS:
        text = pattern.sub(stand_in, text)
    return _MANY.sub("(...)", text)[:WIDTH]


def _read(log: Path, start: int, found: Statements) -> None:
    with log.open(errors="replace") as stream:
        stream.seek(start)
        entries = re.split(r"\n(?=~)", stream.read())
    for entry in entries:
        line = _LINE.match(entry)
        kind = _KIND.match(line["what"]) if line else None
        if line and kind:
            # Parse and bind come with an execute: their time counts, they do not.
            times = int(kind["kind"] in ("statement", "execute"))
            found.add(line["who"], normal(kind["text"]), float(line["ms"]), times)
