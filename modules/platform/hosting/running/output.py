"""What the processes say, line by line, each with the time and the name of who said it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime
from itertools import cycle
from typing import IO

COLOURS = (36, 33, 32, 35, 34, 31)  # ANSI, as far apart as there are
READ = 65_536  # bytes
LONGEST = 1 << 20  # bytes of a line; a longer one is cut into several


class Output:
    """Writes to ``out``; in colours if that is a terminal."""

    def __init__(self, names: Sequence[str], out: IO[str]) -> None:
        self._out = out
        self._width = len("system")
        self._free = cycle(COLOURS) if out.isatty() else cycle([0])
        self._colours: dict[str, int] = {}
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Somebody else will speak, too."""
        self._width = max(self._width, len(name))
        if name not in self._colours:
            self._colours[name] = next(self._free)

    def write(self, name: str, line: str) -> None:
        """One line of ``name``."""
        prefix = f"{datetime.now():%H:%M:%S} {name:<{self._width}} | "  # noqa: DTZ005 - for people
        colour = self._colours.get(name, 0)
        shown = f"\x1b[{colour}m{prefix}\x1b[0m" if colour else prefix
        self._out.write(f"{shown}{line}\n")
        self._out.flush()

    async def copy(self, name: str, stream: asyncio.StreamReader) -> None:
        """Everything that comes, until its end."""
        rest = b""
        while data := await stream.read(READ):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._write_bytes(name, line)
            if len(rest) > LONGEST:
                self._write_bytes(name, rest)
                rest = b""
        if rest:
            self._write_bytes(name, rest)

    def _write_bytes(self, name: str, line: bytes) -> None:
        self.write(name, line.decode(errors="replace").rstrip("\r"))


async def open_pipe() -> tuple[asyncio.StreamReader, int]:
    """A new pipe: what comes out of it, and the descriptor to write to (the caller closes it)."""
    ours, theirs = os.pipe()
    stream = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(stream)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(ours, "rb", 0))
    return stream, theirs
