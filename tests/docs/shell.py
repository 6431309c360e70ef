"""Runs the commands of a ``console`` block in one bash, and compares what they print.

A command begins with ``$ `` and goes on in lines that begin with ``> ``. What it prints stands
below it; ``...`` there is any text within a line or, alone in a line, any lines. Ids, dates
and durations are compared by their form only. A command that ends in ``&`` has printed what it
must before the next one runs.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0  # seconds for a command
_END = "-- end of this command --"
_FORMS = (
    (re.compile(r"\b[0-9a-f]{32}-[0-9a-f]{16}\b"), "<request-id>"),
    (re.compile(r"\b00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]\b"), "<traceparent>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<id>"),
    (re.compile(r"\bhidden:[0-9a-f]{24}\b"), "<hidden>"),
    (re.compile(r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT"), "<date>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?Z?"), "<time>"),
    (re.compile(r'("(?:ms|held_ms|seconds)": ?)[\d.e-]+'), r"\1<duration>"),
)


class DoesNotEnd(Exception):
    """A command runs longer than ``PATIENCE``; so does its shell. ``printed``: so far."""

    def __init__(self, printed: str) -> None:
        super().__init__(f"a command does not end; so far: {printed!r}")
        self.printed = printed


@dataclass(frozen=True, slots=True)
class Step:
    """A command and what it prints; ``line`` counts from 0 within the block."""

    command: str
    printed: str
    line: int


def steps(text: str) -> Iterator[Step]:
    """The steps of a block."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    assert starts[:1] == [0], "a console block begins with a command"
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        after = start + 1
        while after < end and lines[after].startswith("> "):
            after += 1
        command = "\n".join(line[2:] for line in lines[start:after])
        yield Step(command, "".join(f"{line}\n" for line in lines[after:end]), start)


def matches(expected: str, printed: str) -> bool:
    """Whether a command printed what the page says."""
    pattern = ""
    for line in _plain(expected).splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, line.rstrip().split("..."))) + r"[ ]*\n"
    return re.fullmatch(pattern, _ended(_plain(printed))) is not None


def _plain(text: str) -> str:
    text = text.replace("\r", "")
    for form, name in _FORMS:
        text = form.sub(name, text)
    return text


def _ended(text: str) -> str:
    """With one line end at its end, if there is anything."""
    text = text.rstrip("\n")
    return f"{text}\n" if text else ""


class Shell:
    """One bash in ``folder``; what its commands start ends with it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._printed = b""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while piece := os.read(self._process.stdout.fileno(), 65536):
            with self._changed:
                self._printed += piece
                self._changed.notify_all()

    def run(self, step: Step, expected: str) -> str:
        """What the command printed. A command in the background prints until it is ``expected``.

        Raises:
            DoesNotEnd: nothing more can be run in this shell.
        """
        assert self._process.stdin is not None
        script = f"{step.command}\nprintf '\\n%s\\n' '{_END}'\n"
        self._process.stdin.write(script.encode())
        self._process.stdin.flush()
        printed = self._take()
        until = time.monotonic() + PATIENCE
        if step.command.rstrip().endswith("&"):
            while not matches(expected, printed) and time.monotonic() < until:
                time.sleep(0.05)
                printed += self._rest()
        return printed

    def _take(self) -> str:
        """Everything up to the mark."""
        mark = f"\n{_END}\n".encode()
        with self._changed:
            if not self._changed.wait_for(lambda: mark in self._printed, PATIENCE):
                raise DoesNotEnd(self._printed.decode(errors="replace"))
            printed, _, self._printed = self._printed.partition(mark)
        return printed.decode(errors="replace")

    def _rest(self) -> str:
        with self._changed:
            printed, self._printed = self._printed, b""
        return printed.decode(errors="replace")

    def close(self) -> None:
        """End it and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                with contextlib.suppress(BrokenPipeError):
                    end.close()
