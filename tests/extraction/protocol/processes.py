"""Starts the processes of a move and ends those that it started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from modules.extraction.protocol import Move

Process = subprocess.Popen[str]


def start(move: Move, verb: str, *arguments: str, **environment: str) -> Process:
    """One actor; its output is a pipe."""
    command = [sys.executable, "-m", "tests.extraction.protocol.actor", verb]
    return subprocess.Popen(
        [*command, move.source.url, move.target.url, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(move: Move, verb: str, *arguments: str, **environment: str) -> Iterator[Process]:
    """One actor for as long as the block lasts, stopped or not."""
    process = start(move, verb, *arguments, **environment)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Nursery:
    """A process that forks one for each order, and says how it ended."""

    def __init__(self, process: Process) -> None:
        self._process = process
        assert self._line() == "ready"

    def run(self, verb: str, crash_at: str = "") -> tuple[int, dict[str, Any]]:
        """Run one actor to its end: exit code, and what it said before."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{verb} {crash_at}\n")
        self._process.stdin.flush()
        said: dict[str, Any] = {}
        while "code" not in (line := json.loads(self._line())):
            said = line
        return line["code"], said

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
