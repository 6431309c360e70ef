"""Lines of figures, and how long something took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def say(what: str, figure: str) -> None:
    print(f"  {what:<66}{figure:>20}", flush=True)


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """Yields a function that tells, once the block has ended, how many seconds it took."""
    began = time.perf_counter()
    ended: list[float] = []
    yield lambda: ended[0]
    ended.append(time.perf_counter() - began)
