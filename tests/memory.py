"""Where the servers of tests keep their files: in memory, where there is room for them.

PostgreSQL makes and removes tens of thousands of files for databases that live for one test. In
memory that takes half of the kernel's time. ``TMPDIR`` says otherwise.
"""

from __future__ import annotations

import os
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there has a name of its own
ROOM = 4 * 2**30  # bytes: a whole session needs less than a tenth, its log at most 2 GB


def directory(memory: Path = MEMORY, room: int = ROOM) -> Path | None:
    """For ``tempfile.mkdtemp(dir=...)``; None: where temporary files are made anyway."""
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK | os.X_OK):
        return None
    found = os.statvfs(memory)
    return memory if found.f_bavail * found.f_frsize >= room else None
