"""How a stage ended, made of what its verb reports; and what comes next."""

from __future__ import annotations

from typing import Any

from modules.extraction.analysis.judging import Judgement, Verdict
from modules.extraction.models import Step
from modules.extraction.raising import Ending, Raised
from modules.extraction.running.reports import GOES_ON, Ended, Outcome
from modules.extraction.running.stages import Stage
from modules.extraction.shadowing.differences import Rate

KEEP = "manage.py strangler watch {} keeps the way back short"


def swap_of(module: str) -> dict[str, Any]:
    """The facts of the cutover that was just done."""
    step = Step.objects.filter(module=module, verb="cutover").order_by("-id").first()
    return dict(step.facts) if step is not None else {}


def of_shadow(found: Rate) -> Ended:
    """A module that nobody reads from meanwhile is not held up; but it is said."""
    words = f"{found.compared:,} pairs, {found.different:,} differ"
    if not found.compared:
        words = "nothing was compared: no reads came, or no front door keeps pairs"
        return Ended(stage=Stage.SHADOW, outcome=Outcome.SKIPPED, words=words)
    outcome = Outcome.DIFFERENCES if found.different else Outcome.DONE
    return Ended(stage=Stage.SHADOW, outcome=outcome, words=words)


def of_canary(raised: Raised) -> Ended:
    """With the numbers that ended it, unless the last share holds."""
    outcome = {
        Ending.REACHED: Outcome.DONE,
        Ending.PAUSED: Outcome.PAUSED,
        Ending.STOPPED: Outcome.STOPPED,
        Ending.REFUSED: Outcome.REFUSED,
    }.get(raised.ending, Outcome.FAILED)
    last = raised.steps[-1].judgement if raised.steps else None
    return Ended(
        stage=Stage.CANARY,
        outcome=outcome,
        words=f"{raised.ending}, {raised.percent} %{f': {raised.why}' if raised.why else ''}",
        guards=raised.guards,
        judgement=None if outcome is Outcome.DONE else last,
    )


def of_watch(judgement: Judgement | None) -> Ended:
    """With the verdict and all its lines. Too few to say anything fails nothing: the module has
    moved, and nobody waits for the answer.
    """
    if judgement is None:
        return Ended(
            stage=Stage.WATCH, outcome=Outcome.FAILED, words="somebody else has moved it meanwhile"
        )
    failed = judgement.verdict is Verdict.FAIL
    return Ended(
        stage=Stage.WATCH,
        outcome=Outcome.DIFFERENCES if failed else Outcome.DONE,
        words=f"{judgement.verdict}: {judgement.why}",
        judgement=judgement,
    )


def next_step(module: str, last: Ended) -> str:
    """What somebody should say next, after the stage that came last."""
    if last.stage is Stage.WATCH and last.judgement is not None:
        return _after(module, last.judgement.verdict)
    if last.outcome not in GOES_ON:
        return "the same command goes on here"
    if last.stage in (Stage.CUTOVER, Stage.WATCH):
        return KEEP.format(module)
    return "the same command without --to goes on here"


def _after(module: str, verdict: Verdict) -> str:
    """By what the last watch says."""
    back = f"manage.py strangler rollback {module} takes it back with all later writes"
    match verdict:
        case Verdict.FAIL:
            return back
        case Verdict.PASS:
            return KEEP.format(module)
    return f"the same command looks again, when there is more to see; {back}"
