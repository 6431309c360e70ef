"""What somebody who watches a run sees: drawn anew four times a second, or told in plain lines."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from modules.extraction.analysis.judging import Judgement
from modules.extraction.analysis.rendering import judgement_line, judgement_table
from modules.extraction.guards import Guard
from modules.extraction.rendering import guard_table
from modules.extraction.running.reports import Ended
from modules.extraction.running.stages import Stage

EVENTS = 8  # that are kept in view
EVERY = 5.0  # seconds between plain lines of the same thing


class Scene:
    """Takes what happens; ``write`` gets the plain lines, or nobody does."""

    def __init__(self, module: str, write: Callable[[str], None]) -> None:
        self.module = module
        self._write = write
        self._began = time.monotonic()
        self._to_go: tuple[Stage, ...] = ()
        self._ended: list[Ended] = []
        self._now: tuple[Stage, float] | None = None
        self._guards: tuple[Guard, ...] = ()
        self._judgement: Judgement | None = None
        self._status = ""
        self._events: deque[str] = deque(maxlen=EVENTS)
        self._said: dict[str, float] = {}

    def begins(self, stages: tuple[Stage, ...]) -> None:
        """What is to be gone through."""
        self._to_go = stages

    def enters(self, stage: Stage) -> None:
        self._now, self._guards, self._judgement = (stage, time.monotonic()), (), None
        self.say(f"{stage} begins")

    def leaves(self, ended: Ended) -> None:
        self._ended.append(ended)
        self._now, self._guards = None, ended.guards
        words = f": {ended.words}" if ended.words else ""
        self.say(f"{ended.stage} {ended.outcome} after {ended.seconds:.1f} s{words}")

    def looked_at(self, guards: tuple[Guard, ...]) -> None:
        self._guards = guards

    def judged(self, judgement: Judgement, words: str) -> None:
        self._judgement = judgement
        self._now_and_then("judged", f"{words}: {judgement_line(judgement)}")

    def at(self, what: str, done: int, total: int) -> None:
        """How far a copy or a comparison is."""
        of = f" of {total:,}" if total else ""
        self._now_and_then("at", f"{what}: {done:,}{of} rows")

    def stands(self, status: str) -> None:
        """Split, lag, who has it: one line, for the view only."""
        self._status = status

    def say(self, words: str) -> None:
        """An event."""
        self._events.append(f"{time.strftime('%H:%M:%S')} {words}")
        self._write(f"run {self.module}: {words}\n")

    def _now_and_then(self, kind: str, words: str) -> None:
        now = time.monotonic()
        if now - self._said.get(kind, -EVERY) >= EVERY:
            self._said[kind] = now
            self.say(words)

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [self._stages()]
        if self._guards:
            parts.append(guard_table(self._guards))
        if self._judgement is not None:
            parts.append(judgement_table(self._judgement))
        return Group(*parts, Text("\n".join([self._status, *self._events])))

    def _stages(self) -> Table:
        whole = time.monotonic() - self._began
        found = Table("stage", "seconds", "outcome", title=f"{self.module}, {whole:.0f} s")
        for one in self._ended:
            found.add_row(one.stage, f"{one.seconds:.1f}", one.outcome)
        gone = {one.stage for one in self._ended}
        for stage in self._to_go:
            if self._now is not None and self._now[0] is stage:
                found.add_row(stage, f"{time.monotonic() - self._now[1]:.1f}", "...")
            elif stage not in gone:
                found.add_row(stage, "", "")
        return found


@contextmanager
def shown(module: str, look: Callable[[], str]) -> Iterator[Scene]:
    """On stderr: a live view at a terminal, which asks ``look`` every second how things stand;
    plain lines elsewhere.
    """
    if not sys.stderr.isatty():
        yield Scene(module, _plain)
        return
    scene, ends = Scene(module, lambda line: None), threading.Event()
    asking = threading.Thread(target=_ask, args=(scene, look, ends), daemon=True)
    with Live(scene, console=Console(stderr=True), refresh_per_second=4, transient=True):
        asking.start()
        try:
            yield scene
        finally:
            ends.set()
            asking.join()


def _plain(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


def _ask(scene: Scene, look: Callable[[], str], ends: threading.Event) -> None:
    while not ends.wait(1.0):
        scene.stands(look())
