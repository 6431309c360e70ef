"""What must begin anew in a forked child: locks that another thread held, threads that stayed."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Renewed(Protocol):
    """An object with something of its own to begin anew."""

    def after_fork(self) -> None:
        """Called in the child, where no other thread runs."""
        ...


_renewed: WeakSet[Renewed] = WeakSet()


def renew_after_fork(one: Renewed) -> None:
    """Call ``one.after_fork()`` in every child forked while ``one`` is alive."""
    _renewed.add(one)


def _in_child() -> None:
    for one in list(_renewed):
        one.after_fork()


os.register_at_fork(after_in_child=_in_child)
