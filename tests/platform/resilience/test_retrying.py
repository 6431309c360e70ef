"""Retries: full jitter under a ceiling, within attempts, deadline and budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.platform.resilience import Deadline, RetryBudget, RetryPolicy, retry, retry_async
from tests.platform.resilience.clocks import Clock

policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 20),
    base=st.floats(0, 10),
    factor=st.floats(1, 10),
    longest=st.floats(0, 60),
)


def _always(error: Exception) -> bool:
    return True


def _failing(times: int) -> tuple[Callable[[], str], list[int]]:
    """A call that fails ``times`` times, and the list of its attempts."""
    made: list[int] = []

    def call() -> str:
        made.append(len(made) + 1)
        if len(made) <= times:
            raise ConnectionError(f"attempt {len(made)}")
        return "done"

    return call, made


@given(policies, st.integers(1, 5000), st.floats(0, 1, exclude_max=True))
def test_wait_lies_between_nothing_and_the_ceiling(
    policy: RetryPolicy, number: int, chance: float
) -> None:
    """Full jitter; the ceiling grows and never beyond the longest wait, however many retries."""
    ceiling = policy.ceiling(number)

    assert 0 <= policy.delay(number, lambda: chance) <= ceiling <= policy.longest
    assert ceiling <= policy.ceiling(number + 1)


@given(policies, st.integers(0, 30))
def test_attempts_are_as_many_as_needed_and_allowed(policy: RetryPolicy, failures: int) -> None:
    """It stops at the first success, or with the last error."""
    call, made = _failing(failures)
    clock = Clock()

    try:
        answer = retry(call, policy=policy, is_retryable=_always, sleep=clock.sleep)
    except ConnectionError as error:
        answer = str(error)

    succeeds = failures < policy.attempts
    assert len(made) == min(failures + 1, policy.attempts)
    assert answer == ("done" if succeeds else f"attempt {policy.attempts}")
    assert len(clock.slept) == len(made) - 1


def test_error_that_is_not_retryable_is_raised_at_once() -> None:
    """A refusal does not get better by repeating."""
    call, made = _failing(9)

    with pytest.raises(ConnectionError):
        retry(call, policy=RetryPolicy(attempts=5), is_retryable=lambda error: False)

    assert made == [1]


@given(st.floats(0.01, 5), st.floats(0, 0.99))
def test_no_wait_outlasts_the_deadline(seconds: float, chance: float) -> None:
    """A retry that would begin too late is not waited for."""
    clock = Clock()
    deadline = Deadline.within(seconds, clock)
    call, _ = _failing(99)

    with pytest.raises(ConnectionError):
        retry(
            call,
            policy=RetryPolicy(attempts=50, base=0.2),
            is_retryable=_always,
            deadline=deadline,
            sleep=clock.sleep,
            chance=lambda: max(chance, 0.01),
        )

    assert clock.now < deadline.at
    assert sum(clock.slept) < seconds


@given(st.floats(0, 1), st.integers(0, 20), st.integers(1, 300))
def test_budget_bounds_retries_to_a_share_of_calls(share: float, reserve: int, calls: int) -> None:
    """When everything fails, retries stay below share * calls + reserve: no retry storm."""
    budget = RetryBudget(share=share, reserve=reserve)
    attempts: list[int] = []
    for _ in range(calls):
        call, made = _failing(99)
        with pytest.raises(ConnectionError):
            retry(
                call,
                policy=RetryPolicy(attempts=4, base=0),
                is_retryable=_always,
                budget=budget,
                sleep=lambda _: None,
            )
        attempts += made

    retries = len(attempts) - calls
    assert retries <= share * calls + reserve


def test_being_interrupted_is_not_retried() -> None:
    """Ctrl-C and the like are nobody's failure."""
    made = []

    def call() -> None:
        made.append(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retry(call, policy=RetryPolicy(attempts=5), is_retryable=_always)
    assert len(made) == 1


def test_asyncio_retries_the_same_way() -> None:
    """The same policy; being cancelled is never retried."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def scenario() -> str:
        call, _ = _failing(2)

        async def asked() -> str:
            return call()

        return await retry_async(
            asked,
            policy=RetryPolicy(attempts=3, base=1, factor=2),
            is_retryable=_always,
            sleep=sleep,
            chance=lambda: 0.5,
        )

    async def cancelled() -> None:
        raise asyncio.CancelledError

    assert asyncio.run(scenario()) == "done"
    assert waits == [0.5, 1.0]
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(
            retry_async(
                cancelled, policy=RetryPolicy(attempts=3), is_retryable=_always, sleep=sleep
            )
        )
    assert len(waits) == 2


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"base": -1}, {"factor": 0.5}, {"longest": -0.1}]
)
def test_policy_that_makes_no_sense(wrong: dict[str, float]) -> None:
    """It is refused where it is written, not where it hurts."""
    with pytest.raises(ValueError, match="must be"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


def test_budget_without_reserve_is_earned_by_calls() -> None:
    """A share of a quarter allows nothing at first, and then one retry for every four calls."""
    budget = RetryBudget(share=0.25, reserve=0)
    assert not budget.take()
    allowed = []
    for _ in range(12):
        budget.called()
        allowed.append(budget.take())
    assert allowed == [False, False, False, True] * 3


def test_unused_budget_without_reserve_is_one_retry() -> None:
    """However many calls went well: what is not used does not pile up."""
    budget = RetryBudget(share=0.25, reserve=0)
    budget.called(1000)
    assert [budget.take(), budget.take()] == [True, False]


def test_budget_without_share_and_reserve_allows_nothing() -> None:
    """Calls earn nothing."""
    budget = RetryBudget(share=0, reserve=0)
    budget.called(1000)
    assert not budget.take()


def test_budget_that_makes_no_sense() -> None:
    """Neither part may be negative."""
    with pytest.raises(ValueError, match="negative"):
        RetryBudget(share=-0.1)
