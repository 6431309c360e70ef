"""What is on record of a step, however it ended."""

from __future__ import annotations

import pytest

from modules.extraction.auditing import recorded
from modules.extraction.models import Step
from tests.extraction.commands import interrupt

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("place")]


def test_stopped_between_a_question_and_its_answer() -> None:
    """The session takes no other question then; the step is ended on record all the same."""
    with pytest.raises(KeyboardInterrupt), recorded("payment", "verify", reason="a test"):
        interrupt()
    step = Step.objects.get()
    assert (step.outcome, step.detail, step.ended_at is None) == (
        "stopped",
        "stopped by hand",
        False,
    )


@pytest.mark.parametrize(
    ("error", "outcome", "detail"),
    [
        (TimeoutError("time is up"), "stopped", "time is up"),
        (ValueError("no good"), "failed", "no good"),
        (SystemExit(), "failed", "SystemExit()"),
    ],
    ids=["late", "failed", "ended"],
)
def test_what_ends_a_step_is_said(error: BaseException, outcome: str, detail: str) -> None:
    """And raised again."""
    with pytest.raises(type(error)), recorded("payment", "verify", reason="a test"):
        raise error
    step = Step.objects.get()
    assert (step.outcome, step.detail) == (outcome, detail)
