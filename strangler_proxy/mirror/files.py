"""The files that recorded pairs lie in: bounded in size, in number and all together.

Several workers may write below one folder: each has files of its own, whose names begin with the
time and so sort by age, and each sees to the bounds of the whole when it begins a file or when
its own reckoning reaches the limit. One worker never exceeds the bounds; several may by a file
each. A line larger than a file has a file of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

from strangler_proxy.mirror.recorded import SUFFIX


class _Open:
    """A file being written."""

    __slots__ = ("fd", "path", "size")

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self.size = 0

    def write(self, line: bytes) -> None:
        """All of the line or nothing of it. Raises OSError."""
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self.fd, view) :]
        except OSError:
            os.ftruncate(self.fd, self.size)
            raise
        self.size += len(line)

    def gone(self) -> bool:
        """Somebody removed the file: another worker for room, or a person."""
        return os.fstat(self.fd).st_nlink == 0


class RecordingFiles:
    """Appends lines below ``folder``, one folder for each route. Not for several threads."""

    def __init__(
        self,
        folder: Path,
        *,
        file_bytes: int,
        files: int,
        total_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._file_bytes = file_bytes
        self._files = files
        self._total_bytes = total_bytes
        self._clock = clock
        self._numbers = count()
        self._open: dict[str, _Open] = {}
        self._known = total_bytes  # bytes below the folder; at first we look

    def append(self, route: str, line: bytes) -> None:
        """Write one line, with its end. Raises OSError when nothing of it was written."""
        if self._known + len(line) > self._total_bytes:
            self._make_room(len(line))
        file = self._open.get(route)
        if file is None or file.gone() or (file.size and file.size + len(line) > self._file_bytes):
            file = self._begin(route, len(line))
        file.write(line)
        self._known += len(line)

    def close(self) -> None:
        """Close all files."""
        for route in list(self._open):
            self._end(route)

    def _begin(self, route: str, needed: int) -> _Open:
        """A new file; of the older ones so many stay that ``files`` are not exceeded."""
        self._end(route)
        older = sorted((self._folder / route).glob(f"*{SUFFIX}"))
        for path in older[: max(0, len(older) - self._files + 1)]:
            path.unlink(missing_ok=True)
        self._make_room(needed)
        name = f"{int(self._clock() * 1e6):017}-{os.getpid()}-{next(self._numbers):06}{SUFFIX}"
        file = self._open[route] = _Open(self._folder / route / name)
        return file

    def _end(self, route: str) -> None:
        file = self._open.pop(route, None)
        if file is not None:
            os.close(file.fd)

    def _make_room(self, needed: int) -> None:
        """Look what is there, and remove the oldest files of any route until ``needed`` fits."""
        sizes = {path: _size(path) for path in self._folder.glob(f"*/*{SUFFIX}")}
        self._known = sum(sizes.values())
        ours = {file.path: route for route, file in self._open.items()}
        for path in sorted(sizes, key=lambda path: path.name):
            if self._known + needed <= self._total_bytes:
                break
            if path in ours:
                self._end(ours[path])
            path.unlink(missing_ok=True)
            self._known -= sizes[path]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
