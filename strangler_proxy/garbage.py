"""How often a serving process looks for garbage that only a collection finds: seldom.

Requests leave none behind (the tests count it), and each look stops the event loop.
"""

from __future__ import annotations

import gc

OBJECTS = 100_000  # more of them alive than at the last look make the next one


def look_seldom() -> None:
    """For a process that has loaded what it needs and begins to serve."""
    gc.collect()
    gc.freeze()  # what is loaded stays: never look at it again
    gc.set_threshold(OBJECTS, 20, 20)
