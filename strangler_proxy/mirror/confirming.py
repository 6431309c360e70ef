"""A difference is confirmed before it is recorded: both are asked again, a little later.

The mirror's data may follow the primary's some milliseconds behind; answers to reads that come just
after a write differ by that alone. The last answers are recorded, with how often both were asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strangler_proxy.counted import Event
from strangler_proxy.mirror.asking import Asking
from strangler_proxy.mirror.exchanged import Answered

if TYPE_CHECKING:
    from strangler_proxy.mirror.copying import Copy, Mirrors

TRIES: Final = 2  # after the first; each waits twice as long as the one before
REPEATABLE: Final = frozenset({b"GET", b"HEAD"})


def differ(one: Answered, other: Answered) -> bool:
    """Whether status or body, as they were sent, are others; never of what did not come whole."""
    if one.failure or other.failure:
        return False
    return (one.status, one.digest) != (other.status, other.digest)


class Confirmation:
    """Asks both again until they agree, or one fails, or it was tried often enough."""

    def __init__(self, mirrors: Mirrors, copy: Copy, primary: Answered, mirrored: Answered) -> None:
        self.copy = copy
        self.primary = primary
        self.mirrored = mirrored
        self.attempts = 1
        self._mirrors = mirrors
        self._missing = 0  # answers that are still to come

    def wait(self) -> None:
        """Ask after a while."""
        seconds = self.copy.mirror.confirm_seconds * 2 ** (self.attempts - 1)
        self.copy.proxy.loop.call_later(seconds, self._ask)

    def _ask(self) -> None:
        """Both at the same moment. The primary is not judged by what no client asked of it."""
        if not self._may_ask():
            self._end("dropped")
            return
        upstreams, self._missing = self.copy.state.upstreams, 2
        self.attempts += 1
        self.copy.asking(upstreams[self.primary.upstream], self._on_primary).start(judges=False)
        self.copy.asking(upstreams[self.mirrored.upstream], self._on_mirrored).start()

    def _may_ask(self) -> bool:
        """Not by another table: who answers may be another; nor when clients wait for a turn."""
        proxy, state = self.copy.proxy, self.copy.state
        upstream = state.upstreams.get(self.primary.upstream)
        is_free = upstream is not None and upstream.inflight < upstream.concurrent
        return is_free and proxy.state is state and not proxy.draining

    def _on_primary(self, asking: Asking) -> None:
        self.primary = asking.answered() or self.primary
        self._on_one()

    def _on_mirrored(self, asking: Asking) -> None:
        self.mirrored = asking.answered() or self.mirrored
        self._on_one()

    def _on_one(self) -> None:
        self._missing -= 1
        if self._missing:
            return
        if self.primary.failure or self.mirrored.failure:
            self._end("failed")
        elif not differ(self.primary, self.mirrored):
            self._end("same")
        elif self.attempts > TRIES:
            self._end("different")
        else:
            self._count("different")
            self.wait()

    def _count(self, result: str) -> None:
        self.copy.proxy.metrics.count(Event.CONFIRMED, self.mirrored.upstream, result)

    def _end(self, result: str) -> None:
        self._count(result)
        self._mirrors.confirmed(self)
