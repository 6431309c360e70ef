"""Where log lines go without ever blocking the event loop: a file, a pipe, a terminal, a socket.

A slow reader makes lines wait here; how many may wait is for the caller to say. Pipes are
written in whole lines of at most PIPE_BUF bytes, which the kernel does not mix with the lines
of another worker. A regular file cannot be written without blocking; its writes go to the page
cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import stat

STDOUT = "-"
PIPE_BYTES = 1 << 20  # asked of the kernel: 64 KiB fill in 5 ms of heavy traffic
_NEWLINE = ord("\n")
PIECES = 64  # writes in one go; after a stall the rest waits for its next turn
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Sink:
    """Takes whole lines, passes on what the reader takes, keeps the rest."""

    __slots__ = ("_atomic", "_destination", "_fd", "_pending", "_shared", "_socket", "_torn")

    def __init__(self, destination: str, *, stdout: int = 1) -> None:
        """Open ``destination``, a path or ``-`` for file descriptor ``stdout``.

        Raises OSError if a path cannot be opened.
        """
        self._destination = destination
        self._pending = bytearray()
        self._torn = False  # the last byte passed on was not the end of a line
        self._shared = False  # our O_NONBLOCK is seen by others who hold this pipe
        self._use(self._stdout(stdout) if destination == STDOUT else _file(destination))

    @property
    def waiting(self) -> int:
        """Bytes that nobody has taken yet."""
        return len(self._pending)

    def write(self, lines: bytes) -> None:
        """Add whole lines (or none) and pass on what the reader takes.

        Raises OSError if the reader is gone or the disk is full; the lines wait on.
        """
        if self._torn and not self._pending:
            self._pending += b"\n"
        self._pending += lines
        self._push()

    def _push(self) -> None:
        sent = 0
        try:
            with memoryview(self._pending) as view:
                for _ in range(PIECES):
                    if sent == len(view):
                        break
                    # Released at once, or the traceback of an error would keep it from shrinking.
                    with view[sent : self._end(sent)] as piece:
                        sent += self._send(piece)
        except BlockingIOError:
            pass
        finally:
            if sent:
                self._torn = self._pending[sent - 1] != _NEWLINE
                del self._pending[:sent]

    def forget(self) -> int:
        """Drop what waits; returns how many lines that were, one that was begun included."""
        lines = self._pending.count(b"\n")
        self._pending.clear()
        return lines

    def reopen(self) -> None:
        """Open the path again, after it was renamed. Raises OSError and keeps the old one."""
        if self._destination == STDOUT:
            return
        fd = _file(self._destination)
        self._close()
        self._use(fd)

    def close(self) -> None:
        """Let go of the destination. What waits is lost."""
        if self._shared:
            os.set_blocking(self._fd, True)
        self._close()

    def _use(self, fd: int) -> None:
        mode = os.fstat(fd).st_mode
        self._fd = fd
        self._atomic = stat.S_ISFIFO(mode)
        self._socket = socket.socket(fileno=fd) if stat.S_ISSOCK(mode) else None
        if self._atomic and hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):  # above this user's limit: a smaller pipe works too
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def _stdout(self, fd: int) -> int:
        """A descriptor of our own: O_NONBLOCK on the inherited one would hit all who share it."""
        mode = os.fstat(fd).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
            return os.dup(fd)
        try:
            return os.open(f"/proc/self/fd/{fd}", _FLAGS)
        except OSError:  # another user's pipe may be written but not opened
            self._shared = os.get_blocking(fd)
            os.set_blocking(fd, False)
            return os.dup(fd)

    def _send(self, piece: memoryview) -> int:
        if self._socket is not None:
            return self._socket.send(piece, socket.MSG_DONTWAIT)
        return os.write(self._fd, piece)

    def _end(self, start: int) -> int:
        """Where the piece from ``start`` ends: the last line that fits, or one longer line."""
        limit = start + select.PIPE_BUF
        if not self._atomic or limit >= len(self._pending):
            return len(self._pending)
        return self._pending.rfind(b"\n", start, limit) + 1 or self._pending.index(b"\n", limit) + 1

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self._fd)
        self._fd = -1  # a late write must not hit whatever gets this number next


def _file(path: str) -> int:
    # Group may read, others may not: a log names people and addresses.
    return os.open(path, _FLAGS | os.O_CREAT, 0o640)
