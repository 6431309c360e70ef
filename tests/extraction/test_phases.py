"""The phase machine: the table, all of the table, and nothing but the table."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.extraction.phases import (
    DIRECTIONS,
    INSTALLED,
    SERVICE_OWNS,
    TABLE,
    Direction,
    NotInTable,
    Phase,
    Standing,
    Transition,
    advanced,
    ways_from,
)

transitions = st.sampled_from(Transition)
standings = st.builds(
    Standing,
    phase=st.sampled_from(Phase),
    percent=st.integers(0, 100),
    epoch=st.integers(0, 9),
    paused=st.booleans(),
)


@pytest.mark.parametrize(("phase", "by"), sorted(set(product(Phase, Transition)) - set(TABLE)))
def test_what_is_not_in_the_table_is_refused(phase: Phase, by: Transition) -> None:
    """Each pair that the table does not have: refused, with what is possible instead."""
    with pytest.raises(NotInTable) as refused:
        advanced(Standing(phase=phase), by, percent=10)
    assert refused.value.ways == ways_from(phase)
    assert by not in refused.value.ways


@pytest.mark.parametrize(("phase", "by"), sorted(TABLE))
def test_what_is_in_the_table_is_done(phase: Phase, by: Transition) -> None:
    """Each pair of the table leads where it says."""
    assert advanced(Standing(phase=phase), by, percent=10).phase is TABLE[phase, by]


@given(st.lists(st.tuples(transitions, st.integers(0, 100), st.integers(0, 2)), max_size=30))
def test_any_walk_keeps_what_must_always_hold(
    walk: list[tuple[Transition, int, int]],
) -> None:
    """Whatever is tried in whatever order: epochs never fall, a share is that of the phase, the
    data goes with the phase, and to the service's database only by way of shadow.
    """
    passed = [Standing()]
    for by, percent, more in walk:
        try:
            passed.append(advanced(passed[-1], by, percent=percent, epoch=passed[-1].epoch + more))
        except NotInTable:
            continue
    for one in passed:
        assert one.direction is DIRECTIONS[one.phase]
        assert (one.percent == 0) == (one.phase in {Phase.MONOLITH, Phase.SHADOW})
        assert (one.percent == 100) or one.phase not in SERVICE_OWNS
    for before, after in pairwise(passed):
        assert after.epoch >= before.epoch
        if after.phase is Phase.EXTRACTED:
            assert before.phase in {Phase.SHADOW, Phase.CANARY}
        if after.phase is Phase.MONOLITH:
            assert before.phase is Phase.SHADOW


@given(standings)
def test_rollback_is_one_step_from_wherever_work_has_moved(standing: Standing) -> None:
    """From canary and from extracted; before nothing has moved, after it has retired it is late."""
    can = (standing.phase, Transition.ROLLBACK) in TABLE
    assert can == (standing.phase in {Phase.CANARY, Phase.EXTRACTED})
    if can:
        after = advanced(standing, Transition.ROLLBACK)
        assert (after.phase, after.direction) == (Phase.SHADOW, Direction.TO_SERVICE)


@given(standings, transitions, st.integers().filter(lambda n: not 0 <= n <= 100))
def test_a_share_that_is_none_is_refused(standing: Standing, by: Transition, percent: int) -> None:
    """Before anything else is looked at."""
    with pytest.raises(ValueError, match="0 to 100"):
        advanced(standing, by, percent=percent)


@given(standings.filter(lambda one: one.epoch > 0))
def test_an_epoch_that_falls_is_refused(standing: Standing) -> None:
    """Whoever comes with an older one has not heard of the newer authority."""
    with pytest.raises(ValueError, match="epochs only grow"):
        advanced(standing, Transition.CUTOVER, epoch=standing.epoch - 1)


def test_a_canary_of_nothing_is_none() -> None:
    """0 % ends it; where there was none, there is none after."""
    canary = Standing(phase=Phase.CANARY, percent=25)
    assert advanced(canary, Transition.CANARY, percent=0).phase is Phase.SHADOW
    assert advanced(Standing(phase=Phase.SHADOW), Transition.CANARY, percent=0).percent == 0


def test_every_phase_can_be_reached_and_retired_is_the_end() -> None:
    """Nothing in the table is out of reach; no way leads back from retired."""
    reached = {Phase.MONOLITH}
    for _ in Phase:
        reached |= {after for (before, _by), after in TABLE.items() if before in reached}
    assert reached == set(Phase)
    assert ways_from(Phase.RETIRED) == ()
    assert INSTALLED.isdisjoint({Phase.MONOLITH, Phase.RETIRED})
