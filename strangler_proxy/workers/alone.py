"""A company of one: the data path in the process that also has the admin listener."""

from __future__ import annotations

from strangler_proxy.workers.crew import Crew
from strangler_proxy.workers.door import Door
from strangler_proxy.workers.local import LocalHand


class Alone:
    """``start``, then in the end ``crew.begin_drain`` and ``crew.ended.wait``, and ``stop``."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._door = Door()
        self._hand = LocalHand(self._door)
        self.addresses: tuple[str, ...] = ()

    async def start(self) -> None:
        """Serve. Raises TableRefused, and OSError for addresses and files."""
        self._crew.hands = (self._hand,)
        self._crew.hand_over = self._door.hand_over
        self._crew.deal_out_evenly = self._door.deal_out_evenly
        await self._hand.start(self._crew)
        self.addresses = tuple(one.address for one in self._crew.document().listen)

    async def stop(self) -> None:
        """After a drain there is nothing left; instead of one, drop what is under way."""
        if self._hand.ready:
            await self._hand.end(0.0, 1.0)
