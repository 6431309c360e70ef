"""Waiting for what happens elsewhere, with room for a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

LONGEST = 30.0  # seconds
_FIRST, _PAUSE = 0.005, 0.1  # seconds between two looks: soon at first, then at ease

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], what: str = "it", *, within: float = LONGEST) -> Found:
    """What ``look()`` finds, as soon as that is true.

    Raises:
        AssertionError: it was not for ``within`` seconds; names ``what`` and what was found last.
    """
    end = time.monotonic() + within
    pause = _FIRST
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not happen in {within:g} s (last: {found!r})"
        time.sleep(pause)
        pause = min(pause * 1.5, _PAUSE)
    return found


def seconds_until(
    look: Callable[[], object], what: str = "it", *, within: float = LONGEST
) -> float:
    """How long it took until ``look()`` found something. Raises as ``eventually``."""
    began = time.monotonic()
    eventually(look, what, within=within)
    return time.monotonic() - began
