"""Which instance a call goes to, as calls see it; ``discovery.LeastLoaded`` is one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from modules.platform.discovery import Instance


class Chooser(Protocol):
    """Knows instances and how busy they are. Safe between threads."""

    def choose(self, module: str, *, avoid: Collection[str] = ()) -> Instance:
        """An instance of ``module``; one of ``avoid`` (ids) only when there is no other.

        It counts as busy until ``done``. Raises a contract error of kind Unavailable when no
        instance is known.
        """
        ...

    def done(self, one: Instance, *, failed: bool = False) -> None:
        """The attempt is over; ``failed`` when the instance gave no usable answer."""
        ...
