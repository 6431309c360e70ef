"""The stand-in's memory: an append-only file of JSON lines, read back at start.

Each line is handed to the operating system in one write before anybody gets an answer, so a
SIGKILL loses nothing (a power cut may: it is a stand-in).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Journal:
    """Entries in the order in which they happened."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._cut_torn_line()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, entry: Entry) -> None:
        """Keep ``entry`` for good."""
        os.write(self._file, json.dumps(entry, separators=(",", ":")).encode() + b"\n")

    def entries(self) -> Iterator[Entry]:
        """All that was ever appended."""
        with self._path.open("rb") as lines:
            for line in lines:
                yield json.loads(line)

    def close(self) -> None:
        os.close(self._file)

    def _cut_torn_line(self) -> None:
        if not self._path.exists():
            return
        content = self._path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(self._path, content.rfind(b"\n") + 1)
