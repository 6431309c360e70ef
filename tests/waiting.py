"""Waiting for what happens elsewhere, with room for a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
LONGEST = 30.0  # seconds


def until(
    holds: Callable[[], Found], what: str = "it", *, within: float = LONGEST, every: float = 0.01
) -> Found:
    """What ``holds()`` says, as soon as that is true; it is asked each ``every`` seconds.

    Raises:
        AssertionError: it was not for ``within`` seconds; names ``what`` and what was said last.
    """
    end = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < end, f"{what} did not happen in {within:g} s (last: {found!r})"
        time.sleep(every)
    return found
