"""Numbered places where a process of the protocol may die or stop; in production they do nothing.

``FICUS_MOVE_CRASH_AT=cutover.fenced`` kills the process (``os._exit``) when it first gets there,
``cutover.fenced:3`` the third time, ``cutover.fenced:1:stop`` stops it (SIGSTOP) instead, and
``cutover.fenced:1:kill`` has it killed from outside (SIGKILL), as a drill does. With
``apply.read:1:kill@cutover.fenced`` counting begins at the second point.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

POINTS = (
    "apply.read",
    "apply.applied",
    "apply.committed",
    "backfill.copied",
    "backfill.committed",
    "cutover.held",
    "cutover.fenced",
    "cutover.drained",
    "cutover.committed",
    "cutover.granted",
    "rollback.held",
    "rollback.fenced",
    "rollback.drained",
    "rollback.committed",
    "rollback.closed",
    "heal.burnt",
    "repair.unblocked",
    "repair.mended",
    "repair.committed",
    "install.parted",
    "install.attached",
    "install.monolith",
    "install.service",
    "install.opened",
    "install.begun",
    "uninstall.parted",
    "uninstall.removed",
    "uninstall.monolith",
    "uninstall.service",
)

EXIT_CODE = 137  # as after SIGKILL


def _reaper(at: str) -> Callable[[str], None]:
    at, _, since = at.partition("@")
    place, _, rest = at.partition(":")
    count, _, how = rest.partition(":")
    left, counts = int(count or 1), not since

    def observe(point: str) -> None:
        nonlocal left, counts
        if not counts:
            counts = point == since
            return
        left -= point == place
        if left or point != place:
            return
        left = -1
        match how:
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case _:
                os._exit(EXIT_CODE)

    return observe


_at = os.environ.get("FICUS_MOVE_CRASH_AT")
_observer: Callable[[str], None] | None = _reaper(_at) if _at else None


def arm(at: str) -> None:
    """As the environment variable does, for a process that has forked."""
    global _observer
    _observer = _reaper(at)


def crash_point(point: str) -> None:
    """Here a process may die."""
    if _observer is not None:
        _observer(point)
