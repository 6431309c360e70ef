"""Runs a host's processes side by side: prefixed logs, a new start for what dies, an orderly end.

They start stage by stage without waiting, but for what a process is to come ``after``, and stop in
the reverse order, each stage when the one before it has ended. What dies is started again, sooner
or later as it keeps dying; what cannot even begin ends everything, with its own last words.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from modules.platform.hosting.running.output import Output, open_pipe
from modules.platform.hosting.running.process import Process

BEGUN = 5.0  # seconds after which a process has begun: it would have failed before
PATIENCE = 10.0  # seconds for a stage to end after SIGTERM; then what is left is killed
PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before a new start, after deaths in a row
AFTER_WITHIN = 60.0  # seconds that a process waits for what it comes after
LAST_WORDS = 1.0  # seconds for the rest of the output of a process that has ended
POLL = 0.1  # seconds


def run_together(
    processes: Sequence[Process],
    environment: Mapping[str, str],
    folder: Path,
    out: IO[str] = sys.stdout,
) -> int:
    """Run all until SIGINT or SIGTERM (128 and its number), or until one cannot go on (its code).

    They begin in ``folder``. A second signal kills what is still there.
    """
    return asyncio.run(Supervisor(processes, environment, folder, out).run())


class Supervisor:
    """Keeps the processes alive. Each has a session of its own, so that Ctrl-C reaches us alone."""

    def __init__(
        self,
        processes: Sequence[Process],
        environment: Mapping[str, str],
        folder: Path,
        out: IO[str],
    ) -> None:
        self._processes = tuple(processes)
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._output = Output([process.name for process in processes], out)
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._ending = asyncio.Event()
        self._code = 0

    async def run(self) -> int:
        """Start, keep, stop; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            async with asyncio.TaskGroup() as keepers:
                for process in sorted(self._processes, key=lambda process: process.stage):
                    keepers.create_task(self._keep(process))
                await self._ending.wait()
                await self._stop()
        finally:
            self._kill_all()
        return self._code

    # ------------------------------------------------------------ one process

    async def _keep(self, process: Process) -> None:
        """Run it, again and again, until everything ends."""
        deaths = 0
        await self._wait_for(process.after)
        while not self._ending.is_set():
            started = time.monotonic()
            code = await self._live(process)
            if self._ending.is_set():
                return
            lived = time.monotonic() - started
            deaths = 1 if lived >= BEGUN else deaths + 1
            if not self._may_live_on(process, code, deaths, lived):
                return
            pause = PAUSES[deaths - 1]
            self._say(f"{process.name} {_ended(code)}; it is started again in {pause:g} s")
            await self._rest(pause)

    async def _live(self, process: Process) -> int:
        """From its start to its end; its exit code."""
        # A pipe of our own: asyncio's ``wait`` would wait for the end of its pipes as well, and a
        # child that outlives its parent holds them open.
        stream, theirs = await open_pipe()
        try:
            child = await asyncio.create_subprocess_exec(
                *process.command,
                cwd=self._folder,
                env={**self._environment, **process.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self._children[process.name] = child
        self._say(f"{process.name} started (pid {child.pid})")
        if self._ending.is_set():  # it was told to all others while this one was being started
            child.terminate()
        copying = asyncio.create_task(self._output.copy(process.name, stream))
        code = await child.wait()
        _signal_group(child, signal.SIGKILL)  # its children: they hold its ports and its output
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await copying
        del self._children[process.name]
        return code

    def _may_live_on(self, process: Process, code: int, deaths: int, lived: float) -> bool:
        """Whether it is worth another start; if not, everything ends."""
        begun = code < 0 or deaths > 1 or lived >= BEGUN  # what was killed had begun
        if begun and deaths <= len(PAUSES):
            return True
        why = "cannot be kept alive" if begun else "cannot begin"
        self._say(f"{process.name} {_ended(code)} and {why}; stopping everything")
        self._end(code if code > 0 else 1)
        return False

    async def _wait_for(self, address: str) -> None:
        until = time.monotonic() + AFTER_WITHIN
        while address and time.monotonic() < until and not self._ending.is_set():
            if await asyncio.to_thread(_answers, address):
                return
            await self._rest(POLL)

    async def _rest(self, seconds: float) -> None:
        """Wait so long, or until everything ends."""
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            return

    # ------------------------------------------------------------ the end

    def _on_signal(self, number: int) -> None:
        self._say(f"{signal.Signals(number).name} received")
        if self._ending.is_set():
            self._kill_all()
        self._end(128 + number)

    def _end(self, code: int) -> None:
        if not self._ending.is_set():
            self._code = code
            self._ending.set()

    async def _stop(self) -> None:
        for stage in sorted({process.stage for process in self._processes}, reverse=True):
            here = [process.name for process in self._processes if process.stage == stage]
            children = [self._children[name] for name in here if name in self._children]
            await asyncio.gather(*map(self._stop_one, children))

    async def _stop_one(self, child: asyncio.subprocess.Process) -> None:
        if child.returncode is None:
            child.terminate()
        try:
            async with asyncio.timeout(PATIENCE):
                await child.wait()
        except TimeoutError:
            self._say(f"pid {child.pid} did not end within {PATIENCE:g} s and is killed")
            _signal_group(child, signal.SIGKILL)

    def _kill_all(self) -> None:
        for child in self._children.values():
            _signal_group(child, signal.SIGKILL)

    def _say(self, line: str) -> None:
        self._output.write("system", line)


def _signal_group(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return


def _ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as response:  # noqa: S310 - our own
            return bool(response.status == 200)
    except OSError:
        return False
