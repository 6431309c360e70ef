"""Numbered places where a process may die, for crash tests; in production they do nothing.

``FICUS_CRASH_AT=relay.before_send`` kills the process (``os._exit``) when it first gets there;
``relay.before_send:3`` the third time. Simulations install an observer instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POINTS = (
    "publish.inserted",
    "relay.before_claim",
    "relay.claimed",
    "relay.before_send",
    "relay.after_send",
    "deliver.begin",
    "deliver.handled",
    "deliver.committed",
    "park.before",
    "park.after",
    "receipt.before",
    "receipt.after",
    "retry.begin",
    "retry.handled",
    "retry.committed",
    "timer.begin",
    "timer.handled",
    "timer.committed",
    "task.before_send",
    "task.after_send",
    "saga.started",
    "saga.before_step",
    "saga.after_step",
    "saga.before_commit",
    "saga.committed",
)

EXIT_CODE = 137  # as after SIGKILL


class SimulatedCrash(BaseException):
    """The process would have died here. Not an Exception: no handler may swallow it."""


def _killer(at: str) -> Callable[[str], None]:
    place, _, count = at.partition(":")
    left = int(count or 1)

    def observe(point: str) -> None:
        nonlocal left
        if point != place:
            return
        left -= 1
        if left == 0:
            os._exit(EXIT_CODE)

    return observe


_at = os.environ.get("FICUS_CRASH_AT")
_observer: Callable[[str], None] | None = _killer(_at) if _at else None


def crash_point(point: str) -> None:
    """Here a process may die. Costs one comparison unless a test is watching."""
    if _observer is not None:
        _observer(point)


@contextmanager
def observed(observer: Callable[[str], None]) -> Iterator[None]:
    """Let ``observer`` see every point passed, and raise SimulatedCrash where it likes."""
    global _observer
    before, _observer = _observer, observer
    try:
        yield
    finally:
        _observer = before
