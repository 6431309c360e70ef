"""The worker's side: obeys its supervisor, and ends when told or when the supervisor is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket

from strangler_proxy.errors import TableRefused
from strangler_proxy.workers.channel import READY, Answer, Channel, Fault, Request, result
from strangler_proxy.workers.orders import Apply, Drain, Welcome, Worker, obey

# The supervisor gets them and says what to do; a terminal sends them to all.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
log = logging.getLogger(__name__)


async def serve(worker: Worker, control: socket.socket) -> None:
    """Run ``worker`` until it has drained. ``control`` is the inherited end of the pair.

    Raises what ``worker.start`` raises.
    """
    loop = asyncio.get_running_loop()
    for number in IGNORED:
        loop.add_signal_handler(number, lambda: None)
    channel = await Channel.open(control)
    try:
        welcome = await channel.receive(Welcome)
        if welcome is not None:
            await worker.start(welcome)
            await _Link(worker, channel, welcome.document.drain_seconds).run()
    finally:
        channel.close()


class _Link:
    def __init__(self, worker: Worker, channel: Channel, drain_seconds: float) -> None:
        self._worker = worker
        self._channel = channel
        self._drain_seconds = drain_seconds
        self._drain: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()

    async def run(self) -> None:
        obeying = asyncio.create_task(self._obey())
        drained = asyncio.create_task(self._drained.wait())
        # Orders are answered while it drains: metrics are of interest then.
        await asyncio.wait({obeying, drained}, return_when=asyncio.FIRST_COMPLETED)
        if self._drain is None:
            log.error("the supervisor is gone; this worker drains and ends")
        await self._begin_drain(self._drain_seconds)
        for task in (obeying, drained):
            task.cancel()

    async def _obey(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._channel.send(READY)
            while (request := await self._channel.receive(Request)) is not None:
                await self._channel.send(await self._answer(request))

    async def _answer(self, request: Request) -> Answer:
        try:
            done = await obey(self._worker, request.order)
        except TableRefused as error:
            faults = (Fault(one.path, one.reason, one.line) for one in error.findings)
            return Answer(request.id, faults=tuple(faults))
        except Exception as error:
            log.exception("%s failed", type(request.order).__name__)
            return Answer(request.id, failed=f"{type(error).__name__}: {error}")
        if isinstance(request.order, Apply):
            self._drain_seconds = request.order.document.drain_seconds
        if isinstance(request.order, Drain):
            self._begin_drain(request.order.seconds)
        return Answer(request.id, result=result(done))

    def _begin_drain(self, seconds: float) -> asyncio.Task[None]:
        if self._drain is None:
            self._drain = asyncio.create_task(self._worker.drain(seconds))
            self._drain.add_done_callback(lambda _: self._drained.set())
        return self._drain
