"""The pure part: how events change a saga, whatever their order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from modules.platform.sagas import Expired, Signal, Started
from modules.platform.sagas.retries import LONGEST, backoff, gives_up
from modules.platform.sagas.saga import (
    Saga,
    Status,
    StepState,
    advance,
    answered,
    expired,
    failed,
    refused,
    settled,
)
from tests.platform.sagas.toy import Agency, Phase, Trip

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEFINITION = Agency().definition()


def fresh() -> Saga:
    saga = Saga(
        id=UUID(int=1),
        type="trip",
        key="k",
        subject="s",
        state=Trip(),
        steps=(),
        status=Status.RUNNING,
        version=0,
        deadline_at=None,
        lease_until=None,
        due_at=None,
        created_at=NOW,
    )
    return settled(advance(saga, DEFINITION, Started(), NOW), DEFINITION, now=NOW, keep_until=None)


def test_answer_is_taken_once() -> None:
    """Two runners may bring the same answer."""
    once = answered(fresh(), DEFINITION, 1, "x", NOW)
    assert answered(once, DEFINITION, 1, "x", NOW) is once


def test_refusal_and_failure_after_the_answer_are_dropped() -> None:
    """The slower runner met an error where the faster one got an answer."""
    done = answered(fresh(), DEFINITION, 1, "x", NOW)
    assert refused(done, DEFINITION, 1, "c", "d", NOW) is done
    failure = {"code": "c", "detail": "d", "final": True, "delay": backoff, "now": NOW}
    assert failed(done, DEFINITION, 1, **failure) is done  # type: ignore[arg-type]


def test_deadline_is_told_once() -> None:
    """And not before it has passed."""
    saga = fresh()
    assert expired(saga, DEFINITION, NOW) is saga
    later = expired(saga, DEFINITION, NOW + timedelta(minutes=1))
    assert later.state.phase is Phase.UNDOING
    assert later.deadline_at is None


def test_lease_is_kept_only_while_there_is_something_to_do() -> None:
    """A saga that waits must be free for whoever brings the news."""
    saga = fresh()
    until = NOW + timedelta(seconds=30)
    assert settled(saga, DEFINITION, now=NOW, keep_until=until).due_at == until
    waiting = saga.with_step(_later(saga))
    rest = settled(waiting, DEFINITION, now=NOW, keep_until=until)
    assert (rest.lease_until, rest.due_at) == (None, NOW + timedelta(seconds=5))


def _later(saga: Saga) -> object:
    import msgspec

    return msgspec.structs.replace(saga.steps[0], next_at=NOW + timedelta(seconds=5))


def test_saga_that_stops_short_of_its_ends_is_a_persons() -> None:
    """A mistake in decide must not look like success."""
    saga = replace(fresh(), steps=(), deadline_at=None)
    assert settled(saga, DEFINITION, now=NOW, keep_until=None).status is Status.MANUAL


@given(st.integers(1, 10_000))
def test_pauses_grow_to_five_minutes(attempts: int) -> None:
    """And are never nothing."""
    pause = backoff(attempts).total_seconds()
    assert 0.25 <= pause <= LONGEST


def test_a_person_is_asked_after_a_day_or_five_refusals() -> None:
    """Not at the first refusal: it may be a passing state."""
    day = NOW + timedelta(hours=24)
    assert not gives_up(attempts=4, since=NOW, final=True, now=NOW)
    assert gives_up(attempts=5, since=NOW, final=True, now=NOW)
    assert not gives_up(attempts=500, since=NOW, final=False, now=day - timedelta(seconds=1))
    assert gives_up(attempts=1, since=NOW, final=False, now=day)


moves = st.lists(
    st.tuples(
        st.sampled_from(["answer", "refuse", "fail", "final", "expire", "stop", "note"]),
        st.integers(1, 6),
        st.integers(0, 7_200),
    ),
    max_size=25,
)


@given(moves)
def test_whatever_comes_a_saga_is_never_lost(steps: list[tuple[str, int, int]]) -> None:
    """A running saga has a time, a done one is at an end, and steps are only ever added."""
    saga, now = fresh(), NOW
    for move, number, seconds in steps:
        now += timedelta(seconds=seconds)
        after = apply(saga, move, min(number, len(saga.steps)), now)
        after = settled(after, DEFINITION, now=now, keep_until=None)
        assert len(after.steps) >= len(saga.steps)
        assert [s.number for s in after.steps] == list(range(1, len(after.steps) + 1))
        check(after)
        saga = after


def apply(saga: Saga, move: str, number: int, now: datetime) -> Saga:
    failure = {"code": "c", "detail": "d", "delay": backoff, "now": now}
    match move:
        case "answer":
            return answered(saga, DEFINITION, number, "x", now)
        case "refuse" if not saga.step(number).undoes:
            return refused(saga, DEFINITION, number, "c", "d", now)
        case "fail" | "final":
            final = move == "final"
            return failed(saga, DEFINITION, number, final=final, **failure)  # type: ignore[arg-type]
        case "expire":
            return expired(saga, DEFINITION, now)
        case "stop" if saga.status is Status.RUNNING:
            return advance(saga, DEFINITION, Signal(name="stop"), now)
        case _:
            return advance(saga, DEFINITION, Signal(name="weather"), now)


def check(saga: Saga) -> None:
    pending = [step for step in saga.steps if step.state is StepState.PENDING]
    manual = [step for step in saga.steps if step.state is StepState.MANUAL]
    match saga.status:
        case Status.RUNNING:
            assert saga.due_at is not None
            assert pending or saga.deadline_at
        case Status.MANUAL:
            assert not pending
        case Status.DONE:
            assert not pending
            assert not manual
            assert saga.state.phase in DEFINITION.ends


def test_expired_without_meaning_leaves_no_deadline() -> None:
    """Else it would be told for ever."""
    silent = replace(DEFINITION, decide=lambda state, event: None)
    saga = replace(fresh(), deadline_at=NOW)
    assert expired(saga, silent, NOW).deadline_at is None
    assert isinstance(Expired(), Expired)
