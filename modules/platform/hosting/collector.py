"""Python's collector of cyclic garbage stands still while a host starts.

Hundreds of thousands of objects are made meanwhile and nearly all of them stay: to look through
them again and again took a third of a start's CPU. What is there in the end is left out of every
later collection: a request that meets a full one waits for 30 ms instead of 300, and a forked
worker does not copy its pages.
"""

from __future__ import annotations

import gc


def rest() -> None:
    """Collect nothing until ``go_on``."""
    gc.disable()


def go_on() -> None:
    """Collect as ever, but never again look at what there is now."""
    gc.freeze()
    gc.enable()
