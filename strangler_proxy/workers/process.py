"""A worker process as its supervisor sees it: started, asked, restarted when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections.abc import Sequence

import msgspec

from strangler_proxy.control.fleet import WorkerFailed, WorkerSnapshot
from strangler_proxy.errors import Finding, TableRefused
from strangler_proxy.metrics import Snapshot, merge
from strangler_proxy.workers.channel import Answer, Channel, Request
from strangler_proxy.workers.crew import Crew
from strangler_proxy.workers.orders import AnyOrder, Drain, Result, Welcome
from strangler_proxy.workers.slots import Slots

COMMAND = (sys.executable, "-m", "strangler_proxy.workers")
PATIENCE = 10.0  # seconds for an answer: the event loop of a worker never stands still so long
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # before a worker is started again; doubles each time
GOOD_SECONDS = 30.0  # a worker that lived so long is started again at once
GIVE_UP_AFTER = 3  # deaths in a row; then its sockets are closed until it is started again
log = logging.getLogger(__name__)


class ProcessHand:
    """Worker ``number``. ``run`` keeps one process of it alive until ``end``."""

    def __init__(
        self, number: int, crew: Crew, slots: Slots, command: Sequence[str] = COMMAND
    ) -> None:
        self.number = number
        self.ready = False
        self.deaths = 0  # in a row
        self._crew = crew
        self._slots = slots
        self._command = command
        self._ending = False
        self._process: asyncio.subprocess.Process | None = None
        self._channel: Channel | None = None
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._last_id = 0
        self._counted = Snapshot()  # by processes that have ended
        self._latest = Snapshot()  # by the one that runs, when last asked

    # ------------------------------------------------------------ keeping it alive

    async def run(self) -> None:
        """Start it, and again whenever it dies; returns after ``end`` or ``kill``."""
        while not self._ending:
            started = time.monotonic()
            try:
                end = f"ended with status {await self._live()}"
            except OSError as error:
                end = f"cannot be started: {error}"
            if not self._ending:
                await self._rest(end, time.monotonic() - started)

    async def _rest(self, end: str, lived: float) -> None:
        self.deaths = 1 if lived >= GOOD_SECONDS else self.deaths + 1
        pause = min(FIRST_PAUSE * 2 ** (self.deaths - 1), LONGEST_PAUSE)
        if self.deaths >= GIVE_UP_AFTER:
            self._slots.give_up(self.number)
        log.error(
            "worker %d %s after %.1f s; it is started again in %g s",
            *(self.number, end, lived, pause),
        )
        await asyncio.sleep(pause)

    async def _live(self) -> int:
        """One process from its start to its end. Returns its exit status; raises OSError."""
        welcome = self._crew.welcome(self.number, self._slots.of(self.number))
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await self._spawned(theirs, welcome)
        except BaseException:
            ours.close()
            raise
        channel = await Channel.open(ours)
        try:
            await self._listen(channel, welcome)
            async with asyncio.timeout(PATIENCE):  # it has hung up; now it should end
                await process.wait()
        except (ConnectionError, TimeoutError, msgspec.DecodeError) as error:
            log.error("worker %d is killed: %s", self.number, error or "it does not end")
        finally:
            self._forget(channel)
            self.replace()
            await process.wait()
        return process.returncode or 0

    async def _spawned(
        self, control: socket.socket, welcome: Welcome
    ) -> asyncio.subprocess.Process:
        """As ``_spawn``; a process that is being made when we are cancelled is ended, not lost."""
        spawning = asyncio.ensure_future(self._spawn(control, welcome))
        try:
            return await asyncio.shield(spawning)
        except asyncio.CancelledError:
            process = await spawning
            self.replace()
            await process.wait()
            raise

    async def _spawn(self, control: socket.socket, welcome: Welcome) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            *("--worker", str(self.number), "--control-fd", str(control.fileno())),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(control.fileno(), *welcome.sockets),
        )
        if self._ending:
            self.replace()
        return self._process

    async def _listen(self, channel: Channel, welcome: Welcome) -> None:
        """Until the worker hangs up. Raises ConnectionError and msgspec.DecodeError."""
        self._channel = channel
        beginning: asyncio.Task[None] | None = None
        await channel.send(welcome)
        try:
            while (answer := await channel.receive(Answer)) is not None:
                if answer.id:
                    self._answered(answer)
                else:  # it serves; a task, because what it is told now is answered to this loop
                    beginning = asyncio.create_task(self._begin(welcome))
        finally:
            if beginning is not None:
                beginning.cancel()

    async def _begin(self, welcome: Welcome) -> None:
        try:
            await self._crew.catch_up(self, welcome)
        except (WorkerFailed, TableRefused) as error:
            log.error("worker %d cannot begin: %s", self.number, error)
            self.replace()

    def _forget(self, channel: Channel) -> None:
        self.ready = False
        self._counted = merge([self._counted, self._latest.of_the_dead()])
        self._latest = Snapshot()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(WorkerFailed(f"worker {self.number} has ended"))
        channel.close()
        self._channel = None

    # ------------------------------------------------------------ Hand

    async def ask(self, order: AnyOrder, shape: type[Result]) -> Result:
        channel = self._channel
        if channel is None:
            raise WorkerFailed(f"worker {self.number} does not run")
        self._last_id += 1
        number = self._last_id
        self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(PATIENCE):
                await channel.send(Request(number, order))
                answer = await self._asked[number]
        except (TimeoutError, ConnectionError) as error:
            raise WorkerFailed(f"worker {self.number} does not answer") from error
        finally:
            self._asked.pop(number, None)
        return self._result(answer, shape)

    def _result(self, answer: Answer, shape: type[Result]) -> Result:
        if answer.faults:
            faults = [
                Finding(path=one.path, reason=one.reason, line=one.line) for one in answer.faults
            ]
            raise TableRefused(faults)
        if answer.failed:
            raise WorkerFailed(f"worker {self.number}: {answer.failed}")
        value = msgspec.msgpack.decode(answer.result, type=shape)
        if isinstance(value, WorkerSnapshot):
            # Counters that begin at 0 again would look like requests that were never made.
            self._latest = value.metrics
            value.metrics = merge([self._counted, value.metrics])
        return value

    async def end(self, seconds: float, grace: float) -> None:
        self._ending = True
        with contextlib.suppress(WorkerFailed):
            await self.ask(Drain(seconds), type(None))
        process = self._process
        if process is None or process.returncode is not None:
            return
        try:
            async with asyncio.timeout(seconds + grace):
                await process.wait()
        except TimeoutError:
            log.warning("worker %d did not end in time and is killed", self.number)
            self.replace()
            await process.wait()

    def kill(self) -> None:
        """End it now and do not start it again."""
        self._ending = True
        self.replace()

    def replace(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _answered(self, answer: Answer) -> None:
        asked = self._asked.get(answer.id)
        if asked is not None and not asked.done():
            asked.set_result(answer)
