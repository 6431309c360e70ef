"""The one worker of a fleet of one: the data path in this process."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from strangler_proxy.control.fleet import WorkerFailed
from strangler_proxy.errors import TableRefused
from strangler_proxy.workers.crew import Crew
from strangler_proxy.workers.orders import AnyOrder, Result, Worker, obey

log = logging.getLogger(__name__)


class LocalHand:
    """Obeys without leaving the process."""

    def __init__(self, worker: Worker) -> None:
        self.number = 0
        self.ready = False
        self._worker = worker

    async def start(self, crew: Crew) -> None:
        """Serve. Raises TableRefused and OSError."""
        await self._worker.start(crew.welcome(0))
        self.ready = True

    async def ask(self, order: AnyOrder, shape: type[Result]) -> Result:
        try:
            return msgspec.convert(await obey(self._worker, order), shape)
        except TableRefused:
            raise
        except Exception as error:
            log.exception("%s failed", type(order).__name__)
            raise WorkerFailed(f"{type(error).__name__}: {error}") from error

    async def end(self, seconds: float, grace: float) -> None:
        try:
            async with asyncio.timeout(seconds + grace):
                await self._worker.drain(seconds)
        except TimeoutError:
            log.warning("the drain took more than %g s and was cut", seconds + grace)
        self.ready = False

    def replace(self) -> None:
        """There is no other; it goes on with the table it has."""
