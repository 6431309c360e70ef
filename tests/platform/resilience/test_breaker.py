"""The circuit breaker, step by step and against a simple model of itself."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modules.platform.resilience import BreakerPolicy, BreakerState, CircuitBreaker, CircuitOpen
from tests.platform.resilience.clocks import Clock

POLICY = BreakerPolicy(window=10, minimum=4, ratio=0.5, rest=5, probes=2)


class Down(Exception):
    """The peer failed."""


def _breaker(clock: Clock, policy: BreakerPolicy = POLICY) -> CircuitBreaker:
    return CircuitBreaker("stripe", policy, clock=clock)


def _call(breaker: CircuitBreaker, *, fails: bool) -> None:
    try:
        with breaker.call():
            if fails:
                raise Down
    except Down:
        pass


def _opened(clock: Clock) -> CircuitBreaker:
    breaker = _breaker(clock)
    for _ in range(4):
        _call(breaker, fails=True)
    assert breaker.state is BreakerState.OPEN
    return breaker


def test_opens_when_enough_calls_failed() -> None:
    """Not before the minimum of calls, and at the ratio."""
    clock = Clock()
    breaker = _breaker(clock)

    for fails in (True, False, False):
        _call(breaker, fails=fails)
    assert breaker.state is BreakerState.CLOSED
    _call(breaker, fails=True)
    assert breaker.state is BreakerState.OPEN


def test_open_refuses_and_says_when_to_come_back() -> None:
    """The call is not made."""
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 2

    with pytest.raises(CircuitOpen, match="stripe fails too often") as caught, breaker.call():
        pytest.fail("the call was made")

    assert caught.value.retry_after == pytest.approx(3)


def test_half_open_lets_a_few_probes_through_and_closes() -> None:
    """Two at once, not three; when both succeed all may call again, and the past is forgotten."""
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 5
    assert breaker.state is BreakerState.HALF_OPEN

    with breaker.call(), breaker.call(), pytest.raises(CircuitOpen), breaker.call():
        pass

    assert breaker.state is BreakerState.CLOSED
    for fails in (True, True, True):
        _call(breaker, fails=fails)
    assert breaker.state is BreakerState.CLOSED


def test_failed_probe_opens_again() -> None:
    """For another full rest."""
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 5

    _call(breaker, fails=True)

    assert breaker.state is BreakerState.OPEN
    clock.now += 4.9
    assert breaker.state is BreakerState.OPEN


def test_hanging_probes_do_not_keep_it_half_open_for_ever() -> None:
    """After another rest others may try."""
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 5
    hanging = [breaker.call(), breaker.call()]
    for probe in hanging:
        probe.__enter__()
    with pytest.raises(CircuitOpen), breaker.call():
        pass

    clock.now += 5
    _call(breaker, fails=False)
    _call(breaker, fails=False)

    assert breaker.state is BreakerState.CLOSED
    hanging[0].__exit__(None, None, None)
    assert breaker.state is BreakerState.CLOSED


def test_result_of_a_call_from_before_the_opening_does_not_count() -> None:
    """A slow success must not close what opened meanwhile."""
    clock = Clock()
    breaker = _breaker(clock)
    slow = breaker.call()
    slow.__enter__()
    for _ in range(4):
        _call(breaker, fails=True)
    clock.now += 5

    slow.__exit__(None, None, None)

    assert breaker.state is BreakerState.HALF_OPEN
    _call(breaker, fails=False)
    assert breaker.state is BreakerState.HALF_OPEN


def test_failures_leave_the_window() -> None:
    """Old failures are no reason."""
    clock = Clock()
    breaker = _breaker(clock)
    for _ in range(3):
        _call(breaker, fails=True)

    clock.now += 11
    _call(breaker, fails=True)

    assert breaker.state is BreakerState.CLOSED


def test_errors_that_the_peer_means_are_successes_of_the_connection() -> None:
    """A declined card says that the provider is well."""
    breaker = CircuitBreaker(
        "stripe", POLICY, clock=Clock(), is_failure=lambda error: not isinstance(error, LookupError)
    )
    for _ in range(20):
        with pytest.raises(LookupError), breaker.call():
            raise LookupError

    assert breaker.state is BreakerState.CLOSED


def test_being_cancelled_says_nothing_about_the_peer() -> None:
    """Neither success nor failure; a probe's place is free again."""
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 5
    for _ in range(9):
        with pytest.raises(KeyboardInterrupt), breaker.call():
            raise KeyboardInterrupt

    assert breaker.state is BreakerState.HALF_OPEN
    _call(breaker, fails=False)
    _call(breaker, fails=False)
    assert breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    "wrong",
    [{"window": 0}, {"rest": 0}, {"minimum": 0}, {"probes": 0}, {"ratio": 0}, {"ratio": 1.1}],
)
def test_policy_that_makes_no_sense(wrong: dict[str, float]) -> None:
    """It is refused where it is written."""
    with pytest.raises(ValueError, match="must be"):
        BreakerPolicy(**wrong)  # type: ignore[arg-type]


def test_callbacks_hold_a_ticket_instead_of_a_with() -> None:
    """Failures that are told with a ticket open it, as those of ``call`` do."""
    breaker = _breaker(Clock())

    tickets = [breaker.enter() for _ in range(4)]
    assert breaker.admits
    for ticket in tickets:
        breaker.leave(ticket, failed=True)

    assert breaker.state is BreakerState.OPEN
    assert not breaker.admits
    with pytest.raises(CircuitOpen):
        breaker.enter()


def test_forgotten_ticket_frees_the_place_of_a_probe() -> None:
    """What was never sent is neither a success nor a failure of the peer."""
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 5
    tickets = [breaker.enter(), breaker.enter()]
    assert not breaker.admits

    breaker.forget(tickets[0])

    assert breaker.admits
    assert breaker.state is BreakerState.HALF_OPEN


def test_looking_whether_it_admits_takes_no_place() -> None:
    """Asked a hundred times it still lets all probes through."""
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 5

    assert all(breaker.admits for _ in range(100))

    breaker.enter()
    breaker.enter()


def test_tells_how_long_it_will_refuse() -> None:
    """The rest while open; nothing once a probe may be made; again while the probes are out."""
    clock = Clock()
    breaker = _opened(clock)
    assert breaker.retry_after == pytest.approx(5)
    clock.now += 5
    assert breaker.retry_after == 0.0
    breaker.enter()
    breaker.enter()
    clock.now += 1
    assert breaker.retry_after == pytest.approx(4)


def test_adopts_another_policy_while_it_runs() -> None:
    """An open one stays open, for as long as the new policy says; old counts are forgotten."""
    clock = Clock()
    breaker = _opened(clock)
    breaker.adopt(BreakerPolicy(rest=60, minimum=1, ratio=1))
    clock.now += 59
    assert breaker.state is BreakerState.OPEN

    counting = _breaker(clock)
    for _ in range(3):
        _call(counting, fails=True)
    counting.adopt(POLICY)
    _call(counting, fails=True)
    assert counting.state is BreakerState.CLOSED


@given(
    st.lists(st.tuples(st.sampled_from([0, 0.4, 1, 3]), st.booleans()), max_size=80),
    st.integers(2, 10),
    st.sampled_from([0.2, 0.5, 0.9]),
)
@example([(0, True), *[(5, True)] * 2], 3, 0.5)
def test_window_slides_by_a_tenth(
    calls: list[tuple[float, bool]], minimum: int, ratio: float
) -> None:
    """Against all calls kept with their times: what counts began in the last ten tenths."""
    clock = Clock()
    breaker = _breaker(clock, BreakerPolicy(window=10, minimum=minimum, ratio=ratio))
    made: list[tuple[int, bool]] = []
    for pause, fails in calls:
        clock.now += pause
        tenth = int(clock.now / 10 * 10)
        made.append((tenth, fails))
        breaker.leave(breaker.enter(), failed=fails)
        recent = [failed for at, failed in made if at > tenth - 10]
        opens = fails and len(recent) >= minimum and sum(recent) >= len(recent) * ratio
        assert (breaker.state is BreakerState.OPEN) == opens
        if opens:
            return


@given(st.lists(st.booleans(), max_size=60), st.floats(0.05, 1), st.integers(1, 20))
def test_opens_exactly_when_the_ratio_is_reached(
    outcomes: list[bool], ratio: float, minimum: int
) -> None:
    """Against a count by hand, all within one window."""
    policy = BreakerPolicy(window=10, minimum=minimum, ratio=ratio)
    breaker = _breaker(Clock(), policy)
    failures = 0
    for number, fails in enumerate(outcomes, 1):
        _call(breaker, fails=fails)
        failures += fails
        if fails and number >= minimum and failures >= number * ratio:
            assert breaker.state is BreakerState.OPEN
            return
        assert breaker.state is BreakerState.CLOSED


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls, overlapping ones too, and of time passing."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = _breaker(self.clock)
        self.under_way: list[AbstractContextManager[None]] = []
        self.seen: list[BreakerState] = [BreakerState.CLOSED]

    @rule()
    def begin(self) -> None:
        before = self.breaker.state
        admits = self.breaker.admits
        call = self.breaker.call()
        try:
            call.__enter__()
        except CircuitOpen:
            assert before is not BreakerState.CLOSED
            assert not admits
        else:
            assert before is not BreakerState.OPEN
            assert admits
            self.under_way.append(call)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), fails=st.booleans())
    def end(self, data: st.DataObject, fails: bool) -> None:
        index = data.draw(st.integers(0, len(self.under_way) - 1))
        call = self.under_way.pop(index)
        with suppress(Down):
            call.__exit__(Down if fails else None, Down() if fails else None, None)

    @rule(seconds=st.floats(0, 12))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def only_known_steps(self) -> None:
        state = self.breaker.state
        before = self.seen[-1]
        if state is not before:
            assert (before, state) != (BreakerState.OPEN, BreakerState.CLOSED)
            self.seen.append(state)

    @invariant()
    def probes_are_bounded(self) -> None:
        assert 0 <= self.breaker._probing <= POLICY.probes


BreakerMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=60)
TestBreakerMachine = BreakerMachine.TestCase


def test_threads_do_not_break_it() -> None:
    """Eight threads with failing calls: it opens once, and nobody is let through after that."""
    breaker = _breaker(Clock())
    made = []

    def work() -> None:
        for _ in range(200):
            try:
                with breaker.call():
                    made.append(1)
                    raise Down
            except (Down, CircuitOpen):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert breaker.state is BreakerState.OPEN
    assert 4 <= len(made) <= 4 + 8
