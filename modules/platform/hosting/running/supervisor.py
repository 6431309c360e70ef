"""Runs a host's processes side by side: prefixed logs, a new start for what dies, an orderly end.

They start stage by stage without waiting, but for what a process is to come ``after``, and stop in
the reverse order, each stage when the one before it has ended. What dies is started again, sooner
or later as it keeps dying; what is vital and cannot even begin ends everything, with its own last
words. A source says which others should run at the moment: those begin and end as it says.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from modules.platform.hosting.running.output import Output, open_pipe
from modules.platform.hosting.running.process import Process, Source, Wanted, nothing_more

BEGUN = 5.0  # seconds after which a process has begun: it would have failed before
PATIENCE = 10.0  # seconds for a stage to end after SIGTERM; then what is left is killed
PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before a new start, after deaths in a row
AFTER_WITHIN = 60.0  # seconds that a process waits for what it comes after
LAST_WORDS = 1.0  # seconds for the rest of the output of a process that has ended
POLL = 0.1  # seconds
LOOK = 0.5  # seconds between two questions to the source


def run_together(
    processes: Sequence[Process],
    environment: Mapping[str, str],
    folder: Path,
    out: IO[str] = sys.stdout,
    source: Source = nothing_more,
) -> int:
    """Run all until SIGINT or SIGTERM (128 and its number), or until one cannot go on (its code).

    They begin in ``folder``. A second signal kills what is still there. What ``source`` wants at a
    time is run as well, for so long; its names are others than those of ``processes``.
    """
    return asyncio.run(Supervisor(processes, environment, folder, out, source).run())


@dataclass(slots=True, eq=False)
class Kept:
    """A process that is kept alive until ``ending``; ``child`` while it runs."""

    process: Process
    is_wanted: bool = False  # by the source
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    child: asyncio.subprocess.Process | None = None
    task: asyncio.Task[None] | None = None


class Supervisor:
    """Keeps the processes alive. Each has a session of its own, so that Ctrl-C reaches us alone."""

    def __init__(
        self,
        processes: Sequence[Process],
        environment: Mapping[str, str],
        folder: Path,
        out: IO[str],
        source: Source = nothing_more,
    ) -> None:
        self._processes = tuple(processes)
        self._source = source
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._output = Output([process.name for process in processes], out)
        self._kept: dict[str, Kept] = {}
        self._trouble = ""
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
                    self._begin(keepers, Kept(process))
                keepers.create_task(self._follow(keepers))
                await self._ending.wait()
                await self._stop(list(self._kept.values()))
        finally:
            self._kill_all()
        return self._code

    def _begin(self, keepers: asyncio.TaskGroup, kept: Kept) -> None:
        self._kept[kept.process.name] = kept
        self._output.add(kept.process.name)
        kept.task = keepers.create_task(self._keep(kept))

    # ------------------------------------------------------------ what the source wants

    async def _follow(self, keepers: asyncio.TaskGroup) -> None:
        """Have those run that the source wants, until everything ends."""
        while not self._ending.is_set():
            try:
                wanted = await asyncio.to_thread(self._source)
            except Exception as error:  # whatever it is, what runs goes on
                self._complain(f"what else should run is not known: {error!r}")
            else:
                self._complain(wanted.trouble)
                await self._adjust(keepers, wanted)
            await _rest(LOOK, self._ending)

    async def _adjust(self, keepers: asyncio.TaskGroup, wanted: Wanted) -> None:
        """End those that are not wanted any more, or differently; begin those that are new."""
        now = {process.name: process for process in wanted.processes}
        await self._let_go(
            [
                kept
                for name, kept in self._kept.items()
                if kept.is_wanted and now.get(name) != kept.process
            ]
        )
        for process in sorted(now.values(), key=lambda process: process.stage):
            if process.name not in self._kept and not self._ending.is_set():
                self._begin(keepers, Kept(process, is_wanted=True))

    async def _let_go(self, gone: Sequence[Kept]) -> None:
        """Returns when nothing of them is left, so that others may have their names and ports."""
        if not gone:
            return
        self._say(f"{', '.join(kept.process.name for kept in gone)}: not wanted any more")
        await self._stop(gone)
        for kept in gone:
            if kept.task is not None:
                await kept.task
            del self._kept[kept.process.name]

    def _complain(self, trouble: str) -> None:
        """Say it when it is news."""
        if trouble and trouble != self._trouble:
            self._say(trouble)
        self._trouble = trouble

    # ------------------------------------------------------------ one process

    async def _keep(self, kept: Kept) -> None:
        """Run it, again and again, until its end or that of everything."""
        deaths, name = 0, kept.process.name
        await self._wait_for(kept)
        while not kept.ending.is_set():
            started = time.monotonic()
            code = await self._live(kept)
            if kept.ending.is_set():
                return
            lived = time.monotonic() - started
            deaths = 1 if lived >= BEGUN else deaths + 1
            if kept.process.vital and not self._may_live_on(name, code, deaths, lived):
                return
            pause = PAUSES[min(deaths, len(PAUSES)) - 1]
            self._say(f"{name} {_ended(code)}; it is started again in {pause:g} s")
            await _rest(pause, kept.ending)

    async def _live(self, kept: Kept) -> int:
        """From its start to its end; its exit code."""
        process = kept.process
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
        kept.child = child
        self._say(f"{process.name} started (pid {child.pid})")
        copying = asyncio.create_task(self._output.copy(process.name, stream))
        if kept.ending.is_set():  # it was told to all others while this one was being started
            await self._stop_one(child)
        code = await child.wait()
        _signal_group(child, signal.SIGKILL)  # its children: they hold its ports and its output
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await copying
        kept.child = None
        return code

    def _may_live_on(self, name: str, code: int, deaths: int, lived: float) -> bool:
        """Whether it is worth another start; if not, everything ends."""
        begun = code < 0 or deaths > 1 or lived >= BEGUN  # what was killed had begun
        if begun and deaths <= len(PAUSES):
            return True
        why = "cannot be kept alive" if begun else "cannot begin"
        self._say(f"{name} {_ended(code)} and {why}; stopping everything")
        self._end(code if code > 0 else 1)
        return False

    async def _wait_for(self, kept: Kept) -> None:
        until, address = time.monotonic() + AFTER_WITHIN, kept.process.after
        while address and time.monotonic() < until and not kept.ending.is_set():
            if await asyncio.to_thread(_answers, address):
                return
            await _rest(POLL, kept.ending)

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
            for kept in self._kept.values():
                kept.ending.set()

    async def _stop(self, those: Iterable[Kept]) -> None:
        those = list(those)
        for kept in those:
            kept.ending.set()
        for stage in sorted({kept.process.stage for kept in those}, reverse=True):
            here = [kept.child for kept in those if kept.process.stage == stage]
            await asyncio.gather(*(self._stop_one(child) for child in here if child is not None))

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
        for kept in self._kept.values():
            if kept.child is not None:
                _signal_group(kept.child, signal.SIGKILL)

    def _say(self, line: str) -> None:
        self._output.write("system", line)


async def _rest(seconds: float, ending: asyncio.Event) -> None:
    """Wait so long, or until the end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ending.wait()


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
