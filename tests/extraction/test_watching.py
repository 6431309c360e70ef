"""What a watch does beside carrying: it mends what the dead left, and says when it cannot carry."""

from __future__ import annotations

import pytest

from modules.extraction.auditing import recorded
from modules.extraction.controlling import controlling
from modules.extraction.following import Carrier, mend
from modules.extraction.models import Step
from modules.extraction.phases import Phase, Standing
from tests.e2e.running import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def begun() -> Step:
    """A step whose controller does not live to end it."""
    with recorded("payment", "cutover", reason="a test") as step:
        row = step.row
    return Step.objects.create(
        module="payment", verb="cutover", reason="a test", actor=row.actor, facts={}
    )


def test_a_step_that_nobody_ends_is_ended(place: None) -> None:
    """Its controller is gone: the record says so, and who has said it."""
    left = begun()
    mend("payment")
    left.refresh_from_db()
    assert left.ended_at is not None
    assert Step.objects.filter(module="payment", verb="doctor").count() == 1
    mend("payment")
    assert Step.objects.filter(module="payment", verb="doctor").count() == 1


def test_a_step_whose_controller_lives_is_left_alone(place: None) -> None:
    """It takes as long as it takes."""
    with controlling("payment", "cutover"):
        left = begun()
        mend("payment")
        left.refresh_from_db()
        assert left.ended_at is None
    mend("payment")  # for the tests that come after


def test_a_stream_that_fails_ends_the_watch() -> None:
    """It must not say that changes are carried when none are."""
    carrier = Carrier(None)  # type: ignore[arg-type]
    standing = Standing(phase=Phase.SHADOW)
    carrier.follow(standing)

    def has_failed() -> bool:
        try:
            carrier.follow(standing)
        except AttributeError:
            return True
        return False

    eventually(has_failed, within=10, what="the failure")
    carrier.close()
