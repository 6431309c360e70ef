"""``pause`` and ``resume``: the copy and the streams stand still, or go on. Nothing is lost."""

from __future__ import annotations

from dataclasses import replace

from modules.extraction import standings
from modules.extraction.errors import WrongPhase
from modules.extraction.moves import move_of
from modules.extraction.phases import INSTALLED
from modules.extraction.protocol import tune
from modules.extraction.reports import Report
from modules.extraction.steps import Ask, alone_on_record


def pause(ask: Ask) -> Report:
    """Let backfill and streams stand still, in every process; changes wait in the log."""
    return _set(ask, "pause", paused=True)


def resume(ask: Ask) -> Report:
    """Let them go on where they were."""
    return _set(ask, "resume", paused=False)


def _set(ask: Ask, verb: str, *, paused: bool) -> Report:
    ask.check()
    before = standings.standing_of(ask.module)
    if before.phase not in INSTALLED or before.paused is paused:
        phase = f"{before.phase}{', paused' if before.paused else ''}"
        raise WrongPhase(
            module=ask.module, phase=phase, verb=verb, possible=standings.possible(before.phase)
        )
    after = replace(before, paused=paused)
    would = ("stop carrying changes",) if paused else ("carry changes on",)
    if not ask.dry_run:
        with alone_on_record(ask, verb) as step:
            tune(move_of(ask.module), paused=paused)
            standings.put(ask.module, after, reason=ask.reason)
            step.facts["paused"] = paused
    return Report(
        module=ask.module,
        verb=verb,
        before=before,
        after=before if ask.dry_run else after,
        dry_run=ask.dry_run,
        would=would,
        did=() if ask.dry_run else would,
        next_step=f"manage.py strangler {'resume' if paused else 'status'} {ask.module}",
    )
