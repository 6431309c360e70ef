"""An implementation of a test's own port that can be told what to do, whatever the port is."""

from __future__ import annotations

from collections.abc import Callable

from modules.platform.contracts import CallContext, current_context

Deed = Callable[[], object]


class Planned:
    """Does what is planned, one deed a call, and then what is asked; remembers all it was given."""

    def __init__(self, *deeds: Deed) -> None:
        self.deeds = list(deeds)
        self.given: list[object] = []
        self.contexts: list[CallContext] = []

    def _begin(self, given: object) -> None:
        """At the start of each method."""
        self.given.append(given)
        self.contexts.append(current_context())
        if self.deeds:
            self.deeds.pop(0)()


def raising(error: Exception) -> Deed:
    """A deed that raises ``error``."""

    def deed() -> None:
        raise error

    return deed
