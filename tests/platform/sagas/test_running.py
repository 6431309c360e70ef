"""Running sagas: in the request, in workers, and by two at once."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connections

from modules.platform.contracts import CallContext, call_context, current_context
from modules.platform.databases import atomic
from modules.platform.messaging.carrier import InlineCarrier
from modules.platform.messaging.crashpoints import SimulatedCrash
from modules.platform.messaging.testing import drain
from modules.platform.sagas import Signal, store
from modules.platform.sagas.definition import UnknownSaga, definition_of
from modules.platform.sagas.recording import SagaGone, record
from modules.platform.sagas.running import run, run_inline
from modules.platform.sagas.saga import OWED, Saga, Status, StepState
from modules.platform.sagas.starting import LEASE, signal, start, take
from modules.platform.sagas.tasks import purge, sweep, sweep_module
from tests.platform.sagas.toy import (
    MODULE,
    WITHIN,
    Agency,
    Clock,
    NoRoom,
    Phase,
    Trip,
    begin,
    down,
)

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


def now_(saga: Saga) -> Saga:
    found = store.load(MODULE, saga.id)
    assert found is not None
    return found


def wait_until_due(saga: Saga, clock: Clock) -> None:
    due = now_(saga).due_at
    assert due is not None
    clock.now = max(clock.now, due)


def states(saga: Saga) -> list[tuple[str, str]]:
    return [(step.kind, step.state) for step in now_(saga).steps]


def test_saga_runs_to_its_end_in_the_request(agency: Agency, clock: Clock) -> None:
    """Each step once, each key saga:step:kind, nothing left to do."""
    saga = begin(clock=clock)
    done = run_inline(MODULE, saga, within=MINUTE, clock=clock).saga
    assert (done.state.phase, done.status) == (Phase.BOOKED, Status.DONE)
    assert agency.calls == [("flight", f"{saga.id}:1:flight"), ("hotel", f"{saga.id}:2:hotel")]
    stored = now_(saga)
    assert (stored.due_at, stored.lease_until) == (None, None)
    assert stored == done


def test_module_change_is_told_before_and_after(agency: Agency, clock: Clock) -> None:
    """With the event that made it."""
    run_inline(MODULE, begin(clock=clock), within=MINUTE, clock=clock)
    told = [(change.before.phase, change.after.phase) for change in agency.changes]
    assert told == [(Phase.FLIGHT, Phase.HOTEL), (Phase.HOTEL, Phase.BOOKED)]
    assert agency.changes[0].event.result == "flight booked"  # type: ignore[union-attr]


def test_steps_run_outside_transactions_and_within_the_deadline(
    agency: Agency, clock: Clock
) -> None:
    """A call may be a network call; the caller's own deadline is kept when it is sooner."""
    seen: list[tuple[bool, bool]] = []

    def look() -> None:
        remaining = current_context().deadline
        in_atomic = connections["default"].in_atomic_block
        seen.append((in_atomic, remaining is not None))

    agency.during["flight"] = look
    with call_context(CallContext()):
        run_inline(MODULE, begin(clock=clock), within=MINUTE, clock=clock)
    assert seen == [(False, True)]


def test_one_saga_of_a_type_and_key_is_at_work(agency: Agency, clock: Clock) -> None:
    """The second start gets None until the first is done."""
    saga = begin(key="one", clock=clock)
    again = {"id": uuid4(), "key": "one", "subject": "s", "state": Trip(), "clock": clock}
    assert start(MODULE, "trip", **again) is None  # type: ignore[arg-type]
    run_inline(MODULE, saga, within=MINUTE, clock=clock)
    assert start(MODULE, "trip", **again) is not None  # type: ignore[arg-type]
    assert store.at_work(MODULE, "trip", "one") is not None


def test_unavailable_step_goes_to_a_worker_with_the_same_key(
    agency: Agency, clock: Clock, carrier: InlineCarrier
) -> None:
    """The request ends; the timer brings a worker that goes on."""
    agency.fail("hotel", down(), RuntimeError("a bug"))
    saga = begin(clock=clock)
    ended = run_inline(MODULE, saga, within=MINUTE, clock=clock)
    assert (ended.saga.status, ended.saga.lease_until) == (Status.RUNNING, None)
    assert ended.error is not None
    for _ in range(2):
        clock.forward(seconds=2)
        run(MODULE, saga.id, clock=clock)
    assert now_(saga).state.phase is Phase.BOOKED
    assert {key for kind, key in agency.calls if kind == "hotel"} == {f"{saga.id}:2:hotel"}


def test_timer_wakes_the_saga_by_itself(agency: Agency, carrier: InlineCarrier) -> None:
    """Real clock, timers and tasks: an unavailable step is tried again within seconds."""
    import time

    agency.fail("flight", down())
    from modules.platform.sagas.clock import utc_now

    saga = begin(clock=utc_now)
    run_inline(MODULE, saga, within=MINUTE)
    time.sleep(0.6)
    drain(modules=(MODULE,))
    assert now_(saga).state.phase is Phase.BOOKED


def test_timer_that_is_early_by_this_clock_is_believed(
    agency: Agency, carrier: InlineCarrier
) -> None:
    """The database's clock may be ahead: a timer that was taken must not be lost."""
    from modules.platform.sagas.clock import utc_now

    agency.fail("flight", down())
    saga = begin(clock=utc_now)
    run_inline(MODULE, saga, within=MINUTE)
    drain(ahead=3, modules=(MODULE,))
    assert now_(saga).state.phase is Phase.BOOKED


def test_timer_of_an_older_version_is_ignored(agency: Agency, carrier: InlineCarrier) -> None:
    """Somebody else has gone on meanwhile."""
    agency.fail("flight", down())
    from modules.platform.sagas.clock import utc_now

    saga = begin(clock=utc_now)
    run_inline(MODULE, saga, within=MINUTE)
    signal(MODULE, saga.id, Signal(name="note", data={"text": "hello"}))
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE bus_timer SET payload = '{\"version\": 0}', due_at = now()")
    drain(modules=(MODULE,))
    assert agency.kinds() == ["flight"]


def test_saga_without_inline_runner_is_started_by_a_worker(
    agency: Agency, carrier: InlineCarrier
) -> None:
    """The task is sent after the commit, not before."""
    from modules.platform.sagas.clock import utc_now

    with atomic(MODULE):
        saga = begin(inline=False, clock=utc_now)
        assert not carrier.waiting
    drain(modules=(MODULE,))
    assert now_(saga).state.phase is Phase.BOOKED


def test_refused_step_is_compensated(agency: Agency, clock: Clock) -> None:
    """The flight is given up because the hotel has no room."""
    agency.fail("hotel", NoRoom())
    saga = begin(clock=clock)
    ended = run_inline(MODULE, saga, within=MINUTE, clock=clock)
    assert (ended.saga.state.phase, ended.saga.state.why) == (Phase.FAILED, "toy.no_room")
    assert isinstance(ended.error, NoRoom)
    assert states(saga) == [("flight", "done"), ("hotel", "refused"), ("cancel", "done")]


def test_deadline_supersedes_the_pending_step(agency: Agency, clock: Clock) -> None:
    """decide is told once, and compensates."""
    agency.always["hotel"] = down()
    saga = begin(clock=clock)
    run_inline(MODULE, saga, within=MINUTE, clock=clock)
    while now_(saga).state.phase is Phase.HOTEL:
        wait_until_due(saga, clock)
        run(MODULE, saga.id, clock=clock)
    assert clock() - saga.created_at < timedelta(seconds=31)
    assert states(saga) == [("flight", "done"), ("hotel", "superseded"), ("cancel", "done")]
    assert now_(saga).state.why == "expired"


def test_command_of_a_dead_runner_is_carried_out_though_the_deadline_has_passed(
    agency: Agency, clock: Clock
) -> None:
    """Nobody was asked in that time, so nobody was late; the answer counts."""
    saga = begin(clock=clock)
    clock.forward(minutes=4)
    run(MODULE, saga.id, clock=clock)
    assert now_(saga).state.phase is Phase.BOOKED


def test_deadline_is_told_when_that_try_fails(
    agency: Agency, clock: Clock, carrier: InlineCarrier
) -> None:
    """Once: the next try would come after the deadline."""
    agency.always["flight"] = down()
    saga = begin(clock=clock)
    clock.forward(seconds=31)
    run(MODULE, saga.id, clock=clock)
    assert (agency.kinds(), len(carrier.waiting)) == (["flight"], 1)
    run(MODULE, saga.id, clock=clock)
    assert (agency.kinds(), now_(saga).state.why) == (["flight", "cancel"], "expired")


def test_command_that_kills_every_runner_comes_to_an_end(agency: Agency, clock: Clock) -> None:
    """Nobody gets to record a failure; some minutes after the deadline it is told all the same."""
    saga = begin(clock=clock)
    deaths = 0

    def die() -> None:
        nonlocal deaths
        deaths += 1
        raise SimulatedCrash("flight")

    while now_(saga).state.phase is Phase.FLIGHT:
        agency.during["flight"] = die
        wait_until_due(saga, clock)
        with suppress(SimulatedCrash):
            run(MODULE, saga.id, clock=clock)
    assert deaths > 3
    assert clock() - saga.created_at < WITHIN + OWED + 2 * LEASE
    assert now_(saga).state.phase is Phase.FAILED


def test_late_answer_of_a_superseded_step_is_told(agency: Agency, clock: Clock) -> None:
    """It took effect after all: decide undoes it again, although the saga was done."""
    saga = begin(clock=clock)

    def meanwhile() -> None:
        # The lease passes during the call, and so long after the deadline nobody is asked again.
        clock.forward(seconds=31 + OWED.total_seconds())
        run(MODULE, saga.id, clock=clock)
        assert now_(saga).status is Status.DONE

    agency.during["flight"] = meanwhile
    run_inline(MODULE, saga, within=timedelta(hours=1), clock=clock)
    clock.forward(seconds=1)
    run(MODULE, saga.id, clock=clock)
    assert agency.kinds() == ["flight", "cancel", "cancel"]
    assert now_(saga).state.phase is Phase.FAILED


def test_second_runner_does_not_get_a_leased_saga(agency: Agency, clock: Clock) -> None:
    """Until the lease has run out."""
    saga = begin(clock=clock)
    assert run(MODULE, saga.id, clock=clock) is None
    assert store.due(MODULE, clock(), 10) == []
    clock.forward(seconds=LEASE.total_seconds() + 1)
    assert store.due(MODULE, clock(), 10) == [saga.id]
    assert run(MODULE, saga.id, clock=clock) is not None


def test_two_runners_record_one_answer(agency: Agency, clock: Clock) -> None:
    """The lease ran out under a runner that was only slow: both call, one record is kept."""
    saga = begin(clock=clock)

    def meanwhile() -> None:
        clock.forward(seconds=14)
        signal(MODULE, saga.id, Signal(name="note", data={"text": "x"}), clock=clock)
        clock.forward(seconds=2)
        run(MODULE, saga.id, clock=clock)

    agency.during["flight"] = meanwhile
    run_inline(MODULE, saga, within=timedelta(hours=1), clock=clock)
    assert agency.kinds() == ["flight", "flight", "hotel"]
    assert [change.after.phase for change in agency.changes].count(Phase.HOTEL) == 1
    assert now_(saga).state.phase is Phase.BOOKED


def test_signal_during_a_call_is_not_lost(agency: Agency, clock: Clock) -> None:
    """The runner finds the version changed and decides on what stands."""
    saga = begin(clock=clock)
    note = Signal(name="note", data={"text": "window seat"})
    agency.during["flight"] = lambda: signal(MODULE, saga.id, note, clock=clock)  # type: ignore[assignment,return-value]
    run_inline(MODULE, saga, within=MINUTE, clock=clock)
    assert now_(saga).state == Trip(phase=Phase.BOOKED, noted="window seat")


def test_signal_that_stops_is_carried_out_by_the_present_runner(
    agency: Agency, clock: Clock, carrier: InlineCarrier
) -> None:
    """No second runner is started."""
    saga = begin(clock=clock)
    stop = Signal(name="stop")
    agency.during["flight"] = lambda: signal(MODULE, saga.id, stop, clock=clock)  # type: ignore[assignment,return-value]
    run_inline(MODULE, saga, within=MINUTE, clock=clock)
    assert now_(saga).state.phase is Phase.FAILED
    assert not carrier.waiting


def test_signal_to_a_resting_saga_wakes_a_worker(
    agency: Agency, clock: Clock, carrier: InlineCarrier
) -> None:
    """Commands that follow from it are somebody's business."""
    agency.fail("flight", down())
    saga = begin(clock=clock)
    run_inline(MODULE, saga, within=MINUTE, clock=clock)
    signal(MODULE, saga.id, Signal(name="stop"), clock=clock)
    assert len(carrier.waiting) == 1
    assert signal(MODULE, uuid4(), Signal(name="stop"), clock=clock) is None


def test_meaningless_signal_writes_nothing(agency: Agency, clock: Clock) -> None:
    """The version stays."""
    saga = begin(clock=clock)
    signal(MODULE, saga.id, Signal(name="weather"), clock=clock)
    assert now_(saga).version == saga.version


def test_lease_of_a_resting_saga_can_be_taken(agency: Agency, clock: Clock) -> None:
    """To run it in a request; a leased one cannot."""
    agency.fail("flight", down())
    saga = begin(clock=clock)
    assert take(MODULE, saga, clock=clock) is None
    resting = run_inline(MODULE, saga, within=MINUTE, clock=clock).saga
    held = take(MODULE, resting, clock=clock)
    assert held is not None
    assert take(MODULE, resting, clock=clock) is None
    clock.forward(seconds=1)
    assert run_inline(MODULE, held, within=MINUTE, clock=clock).saga.status is Status.DONE


def test_request_out_of_time_leaves_the_rest_to_a_worker(
    agency: Agency, clock: Clock, carrier: InlineCarrier
) -> None:
    """Between two steps: the second one is a worker's."""
    agency.during["flight"] = lambda: clock.forward(seconds=5)
    saga = begin(clock=clock)
    ended = run_inline(MODULE, saga, within=timedelta(seconds=5), clock=clock).saga
    assert (agency.kinds(), ended.state.phase) == (["flight"], Phase.HOTEL)
    assert len(carrier.waiting) == 1
    run(MODULE, saga.id, clock=clock)
    assert now_(saga).status is Status.DONE


def test_failing_module_change_is_a_failed_attempt(agency: Agency, clock: Clock) -> None:
    """Nothing of it is stored; the step is tried again."""
    agency.apply_faults.append(IntegrityError("no"))
    saga = begin(clock=clock)
    ended = run_inline(MODULE, saga, within=MINUTE, clock=clock).saga
    assert (ended.state.phase, ended.steps[0].attempts) == (Phase.FLIGHT, 1)
    clock.forward(seconds=1)
    run(MODULE, saga.id, clock=clock)
    assert now_(saga).state.phase is Phase.BOOKED


def test_module_change_that_refuses_is_a_refusal(agency: Agency, clock: Clock) -> None:
    """An error of the contract: the saga compensates."""
    agency.apply_faults.append(NoRoom())
    saga = begin(clock=clock)
    ended = run_inline(MODULE, saga, within=MINUTE, clock=clock).saga
    assert (ended.state.phase, ended.state.why) == (Phase.FAILED, "toy.no_room")


def test_compensation_is_tried_for_a_day_then_left_to_a_person(
    agency: Agency, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fewer than 400 attempts: the pause grows to 5 minutes."""
    agency.fail("hotel", NoRoom())
    agency.always["cancel"] = down()
    saga = begin(clock=clock)
    run_inline(MODULE, saga, within=MINUTE, clock=clock)
    while (standing := now_(saga)).status is Status.RUNNING:
        assert standing.due_at is not None
        clock.now = max(clock.now, standing.due_at)
        run(MODULE, saga.id, clock=clock)
    step = standing.steps[-1]
    assert step.state is StepState.MANUAL
    assert (clock() - saga.created_at) >= timedelta(hours=24)
    assert 200 < step.attempts < 700
    assert standing.due_at is None


def test_refused_compensation_is_left_to_a_person_soon(agency: Agency, clock: Clock) -> None:
    """Five refusals: waiting does not heal them."""
    agency.fail("hotel", NoRoom())
    agency.always["cancel"] = NoRoom()
    saga = begin(clock=clock)
    run_inline(MODULE, saga, within=MINUTE, clock=clock)
    for _ in range(10):
        clock.forward(minutes=1)
        run(MODULE, saga.id, clock=clock)
    assert agency.kinds().count("cancel") == 5
    assert now_(saga).status is Status.MANUAL


def test_sweeper_sends_what_is_due(agency: Agency, clock: Clock, carrier: InlineCarrier) -> None:
    """A process died with the lease, or the broker lost the task: the saga goes on."""
    clock.forward(hours=-1)
    saga = begin(clock=clock)
    assert sweep_module(MODULE) == 1
    carrier.pump()
    assert now_(saga).status is Status.DONE
    assert sweep_module(MODULE) == 0
    sweep()


def test_done_sagas_are_forgotten_after_30_days(agency: Agency, clock: Clock) -> None:
    """Those at work never."""
    clock.forward(days=-31)
    done, open_ = begin(clock=clock), begin(clock=clock)
    run_inline(MODULE, done, within=MINUTE, clock=clock)
    assert purge() == 1
    assert store.load(MODULE, done.id) is None
    assert store.load(MODULE, open_.id) is not None
    with pytest.raises(SagaGone):
        record(MODULE, done, lambda saga, _: (saga.with_step(saga.steps[0]), None), now=clock())


def test_saga_of_an_unknown_type_says_so(agency: Agency) -> None:
    """A definition that this process lacks cannot be guessed."""
    with pytest.raises(UnknownSaga, match="no saga of type 'cruise'"):
        definition_of(MODULE, "cruise")


def test_running_saga_without_a_time_is_refused_by_the_database(
    agency: Agency, clock: Clock
) -> None:
    """Nobody would ever look at it."""
    begin(clock=clock)
    with pytest.raises(IntegrityError), connections["default"].cursor() as cursor:
        cursor.execute("UPDATE saga SET due_at = NULL")
