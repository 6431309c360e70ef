"""The record of steps: begun before anything is done, ended whatever became of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog
from django.db.models.functions import Now

from modules.extraction.actors import acting
from modules.extraction.errors import Unsettled
from modules.extraction.models import Step
from modules.platform.databases import begin_anew

log = structlog.get_logger(__name__)

LONGEST_DETAIL = 1000  # characters, as in the record


class Outcome(StrEnum):
    """How a step ended. A row without one was begun by a process that has died, or runs."""

    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"  # by a person, or because its time was over
    DIFFERENCES = "differences"  # a check found some


@dataclass(slots=True)
class Recorded:
    """A step under way. ``facts`` may grow until it ends.

    One that ``stays_open`` is done and not finished: whoever finishes it ends it on record.
    """

    row: Step
    facts: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome = Outcome.DONE
    detail: str = ""
    stays_open: bool = False


@contextmanager
def recorded(
    module: str, verb: str, *, reason: str, facts: dict[str, Any] | None = None
) -> Iterator[Recorded]:
    """Record the step that happens inside. What it raises is recorded and raised again.

    Unsettled leaves it open, as ``stays_open`` does.
    """
    known = dict(facts or {})
    row = Step.objects.create(module=module, verb=verb, actor=acting(), reason=reason, facts=known)
    step = Recorded(row=row, facts=known)
    log.info("extraction.step_begun", module=module, verb=verb, step=row.pk)
    try:
        yield step
    except Unsettled as error:
        log.warning("extraction.step_left_open", module=module, verb=verb, why=str(error))
        raise
    except (KeyboardInterrupt, TimeoutError) as error:
        if isinstance(error, KeyboardInterrupt):
            begin_anew()
        _end(step, Outcome.STOPPED, str(error) or "stopped by hand")
        raise
    except BaseException as error:
        _end(step, Outcome.FAILED, str(error).strip() or repr(error))
        raise
    if step.stays_open:
        log.warning("extraction.step_left_open", module=module, verb=verb, why=step.detail)
        return
    _end(step, step.outcome, step.detail)


def _end(step: Recorded, outcome: Outcome, detail: str) -> None:
    Step.objects.filter(pk=step.row.pk).update(
        ended_at=Now(), outcome=outcome.value, detail=detail[:LONGEST_DETAIL], facts=step.facts
    )
    module, verb = step.row.module, step.row.verb
    # What a database says below its first line are a row's values: no matter for a log.
    why = {"why": detail.partition("\n")[0]} if detail else {}
    say = log.info if outcome is Outcome.DONE else log.warning
    say("extraction.step_ended", module=module, verb=verb, outcome=outcome.value, **why)
