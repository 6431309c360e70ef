"""Named places where a retirement may die; in production they do nothing.

``FICUS_RETIRE_CRASH_AT=archive.written`` ends the process there, as SIGKILL would.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "archive.written",  # under its temporary name, not verified
    "archive.named",  # verified, nothing dropped
    "receipt.issued",
    "monolith.dropped",
    "service.released",
)


def point(name: str) -> None:
    """Here a process may die."""
    if os.environ.get("FICUS_RETIRE_CRASH_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
