"""The parent of worker processes: opens their sockets, keeps them alive, ends with them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from strangler_proxy.control.fleet import WorkerFailed
from strangler_proxy.workers.crew import Crew
from strangler_proxy.workers.process import COMMAND, ProcessHand
from strangler_proxy.workers.slots import Slots

START_SECONDS = 30.0  # for all workers to serve
LOOK_SECONDS = 0.02
HOPELESS = 3  # deaths in a row of a worker that has never served


class Supervisor:
    """``start``, then in the end ``crew.begin_drain``, ``crew.ended.wait`` and ``stop``.

    Installs no signal handlers. ``crew`` is the Fleet for the admin listener.
    """

    def __init__(self, crew: Crew, *, command: Sequence[str] = COMMAND) -> None:
        """``command`` starts a worker; ``--worker N --control-fd F`` is added to it."""
        self.crew = crew
        self.addresses: tuple[str, ...] = ()
        self._command = command
        self._slots: Slots | None = None
        self._hands: list[ProcessHand] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Serve. Raises OSError for addresses, and WorkerFailed if the workers cannot begin."""
        document = self.crew.document()
        slots = self._slots = Slots(document.listen)
        self.addresses = slots.addresses
        self._hands = [
            ProcessHand(number, self.crew, slots, self._command)
            for number in range(document.workers)
        ]
        self.crew.hands = self._hands
        self.crew.hand_over = slots.hand_over
        self.crew.close_addresses = slots.close
        self.crew.deal_out_evenly = slots.deal_out_evenly
        self._tasks = [asyncio.create_task(hand.run()) for hand in self._hands]
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._until_ready()
        except (TimeoutError, WorkerFailed) as error:
            await self.stop()
            reason = str(error) or f"they do not serve after {START_SECONDS:g} s"
            raise WorkerFailed(f"the workers cannot begin: {reason}; see above") from error

    async def stop(self) -> None:
        """After a drain, or instead of one: end the workers now and close the sockets."""
        for hand in self._hands:
            hand.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._slots is not None:
            self._slots.close()

    async def _until_ready(self) -> None:
        while not all(hand.ready for hand in self._hands):
            for hand in self._hands:
                if hand.deaths >= HOPELESS:
                    raise WorkerFailed(f"worker {hand.number} has died {hand.deaths} times")
            await asyncio.sleep(LOOK_SECONDS)
