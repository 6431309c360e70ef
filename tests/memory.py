"""Where the servers of tests keep their files: in memory, where there is room for them.

PostgreSQL makes and removes tens of thousands of files for databases that live for one test. In
memory that takes half of the kernel's time. ``TMPDIR`` says otherwise.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there has a name of its own
MEMINFO = Path("/proc/meminfo")
ROOM = 8 * 2**30  # bytes: the files take at most 3, and the session's processes as much again


def directory(memory: Path = MEMORY, room: int = ROOM) -> Path | None:
    """For ``tempfile.mkdtemp(dir=...)``; None: where temporary files are made anyway."""
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK | os.X_OK):
        return None
    found = os.statvfs(memory)
    return memory if min(found.f_bavail * found.f_frsize, _available()) >= room else None


def _available() -> int:
    """Bytes of the machine's memory that nobody needs; the folder may be larger than that."""
    kib = re.search(r"MemAvailable:\s+(\d+) kB", MEMINFO.read_text())
    return int(kib[1]) * 1024 if kib else 0
