"""A judgement on record: a step of its own, with all its numbers."""

from __future__ import annotations

from typing import Any

import msgspec

from modules.extraction.analysis.judging import Judgement, Verdict
from modules.extraction.auditing import Outcome, recorded

OUTCOMES = {Verdict.PASS: Outcome.DONE, Verdict.FAIL: Outcome.FAILED}


def note(judgement: Judgement, *, reason: str, percent: int, of: str = "") -> None:
    """Of the share ``percent``, or ``of`` what it is called. What is open has been stopped."""
    facts: dict[str, Any] = {"percent": percent, **msgspec.to_builtins(judgement)}
    with recorded(judgement.module, "analysis", reason=reason, facts=facts) as step:
        step.outcome = OUTCOMES.get(judgement.verdict, Outcome.STOPPED)
        step.detail = f"{of or f'{percent} %'}: {judgement.verdict}: {judgement.why}"
