"""What a run reports: each stage with its seconds, and what is left to be read of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modules.extraction.analysis.judging import Judgement
from modules.extraction.analysis.rendering import judgement_table
from modules.extraction.guards import Guard, hints
from modules.extraction.rendering import guard_table
from modules.extraction.running.stages import Stage
from modules.platform.console import Exit


class Outcome(StrEnum):
    """How a stage ended. All but DONE and SKIPPED end the run."""

    DONE = "done"
    SKIPPED = "skipped"
    REFUSED = "refused"  # by a guard, also after waiting for it
    DIFFERENCES = "differences"
    PAUSED = "paused"
    FAILED = "failed"
    STOPPED = "stopped"  # by hand


GOES_ON = frozenset({Outcome.DONE, Outcome.SKIPPED})
EXITS = {
    Outcome.REFUSED: int(Exit.FAILED),
    Outcome.FAILED: int(Exit.FAILED),
    Outcome.DIFFERENCES: int(Exit.DIFFERENCES),
    Outcome.PAUSED: int(Exit.DIFFERENCES),
    Outcome.STOPPED: 130,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A stage that is over."""

    stage: Stage
    outcome: Outcome
    seconds: float = 0.0
    words: str = ""
    guards: tuple[Guard, ...] = ()
    judgement: Judgement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """``phase`` is where the module stands now. ``pause_ms`` and ``receipt`` are the cutover's."""

    module: str
    stages: tuple[Ended, ...]
    phase: str
    dry_run: bool = False
    receipt: int | None = None
    pause_ms: float | None = None
    next_step: str = ""

    @property
    def exit_code(self) -> int:
        if not self.stages:
            return int(Exit.DONE)
        return EXITS.get(self.stages[-1].outcome, int(Exit.DONE))


def ran_text(report: Ran) -> RenderableType:
    """The stages, the guards or the judgement that ended it, and what comes next."""
    found = Table("stage", "seconds", "outcome", "")
    for one in report.stages:
        found.add_row(one.stage, f"{one.seconds:.1f}", one.outcome, one.words)
    last = report.stages[-1] if report.stages else None
    parts: list[RenderableType] = [found]
    if last is not None and last.guards and last.outcome not in GOES_ON:
        parts.append(guard_table(last.guards))
    if last is not None and last.judgement is not None:
        parts.append(judgement_table(last.judgement))
    return Group(*parts, Text("\n".join(_lines(report))))


def _lines(report: Ran) -> Iterator[str]:
    seconds = sum(one.seconds for one in report.stages)
    if report.dry_run:
        yield f"{report.module}: would go through these from phase {report.phase}; nothing changed"
    else:
        yield f"{report.module}: phase {report.phase} after {seconds:.1f} s"
    if report.pause_ms is not None:
        yield f"  - writes waited {report.pause_ms:.1f} ms"
    if report.receipt is not None:
        receipts = f"manage.py strangler log {report.module} --receipts"
        yield f"  - receipt {report.receipt}: {receipts}"
    last = report.stages[-1] if report.stages else None
    if last is not None and last.outcome not in GOES_ON:
        yield from (f"  - {line}" for line in hints(last.guards))
    if report.next_step:
        yield f"Next: {report.next_step}"
