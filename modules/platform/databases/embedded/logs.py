"""The servers' log files: opened for append, cut when large, read when a start fails."""

import os
import shutil
from pathlib import Path

MAX_BYTES = 10 * 1024 * 1024  # one such file and its predecessor: 20 MB at most per server start
TELLING = ("FATAL", "PANIC", "ERROR", "error:", "Could not", "Can't", "Bad ")


def rotate(log: Path) -> None:
    """Copy a large log to `<log>.1` and empty it; its writer appends, so it goes on unhurt."""
    if log.exists() and log.stat().st_size > MAX_BYTES:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)


def open_append(log: Path) -> int:
    """A descriptor that appends to the log, private to its owner (and to root)."""
    return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def size(log: Path) -> int:
    """Bytes written so far; 0 when there is no log."""
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, *, since: int = 0, lines: int = 15) -> list[str]:
    """The last lines written after the byte `since`, oldest first."""
    if not log.exists():
        return []
    with log.open("rb") as stream:
        stream.seek(max(since, size(log) - 16_384))
        return stream.read().decode(errors="replace").splitlines()[-lines:]


def telling_line(written: list[str]) -> str:
    """The line that names the cause: the first that looks like a failure, else the last."""
    failures = (line for line in written if any(word in line for word in TELLING))
    return next(failures, written[-1] if written else "nothing was logged").strip()
