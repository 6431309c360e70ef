"""Asking a forked child of this process."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable


def in_fork(holds: Callable[[], bool]) -> bool:
    """What ``holds()`` says in a forked child of this process; False when it raises."""
    with warnings.catch_warnings():
        # Python 3.12 warns of forking beside threads: that is what is tried here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if holds() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
