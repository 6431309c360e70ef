"""Guards: what is not known does not pass, and each can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.extraction.guards import GUARDS, Facts, Guard, guards_of, passed
from modules.extraction.phases import Transition

GOOD = Facts(
    has_host=True,
    faulty_tables=(),
    contract="",
    migrations="",
    target="",
    own_instances=1,
    origin_instances=1,
    doors_away=(),
    percent=5,
)
BAD = {
    "has_host": False,
    "faulty_tables": ("log (it has no primary key)",),
    "contract": "payment-1: authorize: gone",
    "migrations": "payment.0009 only in the monolith",
    "target": "the schema payment",
    "own_instances": 0,
    "origin_instances": 0,
    "doors_away": ("http://127.0.0.1:8009 cannot be asked",),
}
NEEDS = {  # which facts each transition looks at
    Transition.CREATE: {"has_host", "contract", "faulty_tables", "target"},
    Transition.CANCEL: set(),
    Transition.CANARY: {"contract", "origin_instances"},
    Transition.CUTOVER: {"contract", "migrations", "own_instances", "doors_away"},
    Transition.ROLLBACK: {"migrations"},
    Transition.RETIRE: {"own_instances", "doors_away"},
}


@pytest.mark.parametrize("by", Transition)
def test_good_facts_pass(by: Transition) -> None:
    """So that each failure below is its own fact's."""
    assert passed(guards_of(by, GOOD))


@pytest.mark.parametrize("by", Transition)
@pytest.mark.parametrize("name", BAD)
def test_one_bad_fact_fails_just_what_looks_at_it(by: Transition, name: str) -> None:
    """Each guard can fail, for its own fact, and says what there is."""
    guards = guards_of(by, replace(GOOD, **{name: BAD[name]}))
    failed = [one for one in guards if not one.passes]
    assert len(failed) == (name in NEEDS[by])
    for one in failed:
        bad = BAD[name]
        assert one.have == (bad if isinstance(bad, str) else one.have)
        assert one.have != one.need


@pytest.mark.parametrize("by", Transition)
def test_what_is_not_known_does_not_pass(by: Transition) -> None:
    """A side that could not be asked is no reason to go on."""
    guards = guards_of(by, Facts(percent=5))
    assert all(one.have == "unknown" and not one.passes for one in guards)


def test_a_canary_that_ends_needs_nobody() -> None:
    """0 % is the way back: it does not wait for an instance."""
    facts = replace(GOOD, origin_instances=0, percent=0)
    assert passed(guards_of(Transition.CANARY, facts))


@given(st.lists(st.booleans(), max_size=6))
def test_the_data_half_has_a_veto(results: list[bool]) -> None:
    """All of its checks stand in the table, and any that fails is enough."""
    theirs = tuple(
        Guard(name=f"check {at}", have="x", need="y", passes=one) for at, one in enumerate(results)
    )
    guards = guards_of(Transition.CUTOVER, replace(GOOD, protocol=theirs))
    assert guards[len(GUARDS[Transition.CUTOVER]) :] == theirs
    assert passed(guards) == all(results)
