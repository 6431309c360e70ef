"""What a verb that changes something reports: the guards, what it did, and the next step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modules.extraction.guards import Guard, passed
from modules.extraction.phases import Standing
from modules.platform.console import Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """``did`` is empty when nothing was done: because a guard failed, or for ``dry_run``, when
    ``would`` says what. ``differences`` counts what a check found; ``unfinished`` says what of a
    swap that is committed is still to be done.
    """

    module: str
    verb: str
    before: Standing
    after: Standing
    guards: tuple[Guard, ...] = ()
    dry_run: bool = False
    would: tuple[str, ...] = ()
    did: tuple[str, ...] = ()
    next_step: str = ""
    differences: int = 0
    unfinished: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> Exit:
        if not passed(self.guards):
            return Exit.FAILED
        return Exit.DIFFERENCES if self.differences else Exit.DONE
