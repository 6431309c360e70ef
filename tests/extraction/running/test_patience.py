"""For whom the last watch waits longer, and for what it does not."""

from __future__ import annotations

import pytest

from modules.extraction.analysis.bounds import DEFAULT
from modules.extraction.analysis.judging import judged
from modules.extraction.analysis.readings import CALLS, REQUESTS, Pair, Side
from modules.extraction.running.moved import may_come


def side(done: int) -> Side:
    return Side(done=done, bounds=(1.0,), counts=(done, 0))


@pytest.mark.parametrize(
    ("service", "before", "waits"),
    [
        (20, 5000, True),  # more of the service's will come
        (0, 5000, True),
        (5000, 20, False),  # the monolith's minutes are over
        (20, 20, False),
        (0, 0, False),
        (5000, 5000, False),  # it is said
    ],
)
def test_what_the_monolith_has_not_done_is_not_waited_for(
    service: int, before: int, waits: bool
) -> None:
    """That much of one kind; of the other there is enough."""
    few = Pair(kind=REQUESTS, canary=side(service), monolith=side(before))
    assert may_come(judged("payment", (few,)), DEFAULT) is waits
    much = Pair(kind=CALLS, canary=side(300), monolith=side(300))
    is_rare = service + before < (service + before + 600) * DEFAULT.minor
    assert may_come(judged("payment", (few, much)), DEFAULT) is (waits and not is_rare)


def test_front_door_that_is_away_may_come_back() -> None:
    """Its numbers with it."""
    good = Pair(kind=REQUESTS, canary=side(300), monolith=side(300))
    assert may_come(judged("payment", (good,), troubles=("the door is shut",)), DEFAULT)
