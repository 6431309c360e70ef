"""Bulkheads: bounded concurrency, a bounded queue, in order, nothing lost; threads and asyncio."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.platform.resilience import AsyncBulkhead, Bulkhead, BulkheadFull


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.001)


def test_full_bulkhead_without_queue_refuses_at_once() -> None:
    """Waiting is what the queue is for."""
    bulkhead = Bulkhead("stripe", limit=1)

    with (
        bulkhead.enter(),
        pytest.raises(BulkheadFull, match="stripe has 1 calls under way"),
        bulkhead.enter(),
    ):
        pytest.fail("two are inside")

    with bulkhead.enter():
        assert bulkhead.inside == 1
    assert bulkhead.inside == 0


def test_place_is_given_back_after_an_error() -> None:
    """An exception is no way to lose a place."""
    bulkhead = Bulkhead("stripe", limit=1)

    with pytest.raises(KeyError), bulkhead.enter():
        raise KeyError

    assert bulkhead.inside == 0


def test_waiting_ends_when_patience_does() -> None:
    """And leaves no trace in the queue."""
    bulkhead = Bulkhead("stripe", limit=1, queue=1, patience=30)

    with bulkhead.enter(), pytest.raises(BulkheadFull), bulkhead.enter(timeout=0.01):
        pytest.fail("two are inside")

    assert (bulkhead.inside, bulkhead.waiting) == (0, 0)


def test_those_who_wait_come_in_in_order() -> None:
    """First come, first served, and nobody slips in between."""
    bulkhead = Bulkhead("stripe", limit=1, queue=5, patience=10)
    order: list[int] = []

    def work(number: int) -> None:
        with bulkhead.enter():
            order.append(number)

    with bulkhead.enter():
        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for number, thread in enumerate(threads):
            thread.start()
            _until(lambda number=number: bulkhead.waiting == number + 1)  # type: ignore[misc]
        with pytest.raises(BulkheadFull), bulkhead.enter():
            pytest.fail("the queue is full")
    for thread in threads:
        thread.join()

    assert order == [0, 1, 2, 3, 4]
    assert (bulkhead.inside, bulkhead.waiting) == (0, 0)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(0, 6), st.integers(1, 12))
def test_threads_never_exceed_the_limit(limit: int, queue: int, workers: int) -> None:
    """Under any mix of waiting, giving up and entering, at most ``limit`` are inside."""
    bulkhead = Bulkhead("stripe", limit=limit, queue=queue, patience=0.002)
    lock, inside, highest = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal inside, highest
        for _ in range(10):
            try:
                with bulkhead.enter():
                    with lock:
                        inside += 1
                        highest = max(highest, inside)
                    time.sleep(0.0005)
                    with lock:
                        inside -= 1
            except BulkheadFull:
                pass

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert highest <= limit
    assert (bulkhead.inside, bulkhead.waiting) == (0, 0)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(0, 4),
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=15),
)
def test_asyncio_never_exceeds_the_limit(
    limit: int, queue: int, tasks: list[tuple[int, bool]]
) -> None:
    """Also when tasks are cancelled while they wait or work: every place comes back."""

    async def scenario() -> tuple[int, AsyncBulkhead]:
        bulkhead = AsyncBulkhead("stripe", limit=limit, queue=queue, patience=0.004)
        highest = 0

        async def work(ticks: int) -> None:
            nonlocal highest
            async with bulkhead.enter():
                highest = max(highest, bulkhead.inside)
                await asyncio.sleep(ticks / 1000)

        running = [asyncio.create_task(work(ticks)) for ticks, _ in tasks]
        await asyncio.sleep(0.001)
        for task, (_, cancelled) in zip(running, tasks, strict=True):
            if cancelled:
                task.cancel()
        answers = await asyncio.gather(*running, return_exceptions=True)
        kinds = (type(None), BulkheadFull, asyncio.CancelledError)
        assert all(isinstance(answer, kinds) for answer in answers)
        return highest, bulkhead

    highest, bulkhead = asyncio.run(scenario())

    assert highest <= limit
    assert (bulkhead.inside, bulkhead.waiting) == (0, 0)


def test_asyncio_turn_given_to_a_task_that_is_cancelled_goes_to_the_next() -> None:
    """The place must not be lost between the two."""

    async def scenario() -> AsyncBulkhead:
        bulkhead = AsyncBulkhead("stripe", limit=1, queue=2, patience=5)
        holder = bulkhead.enter()
        await holder.__aenter__()

        async def work() -> None:
            async with bulkhead.enter():
                pass

        first, second = asyncio.create_task(work()), asyncio.create_task(work())
        await asyncio.sleep(0)
        await holder.__aexit__(None, None, None)  # gives the turn to the first
        first.cancel()  # which is cancelled before it runs again
        await asyncio.gather(first, second, return_exceptions=True)
        assert second.exception() is None
        return bulkhead

    bulkhead = asyncio.run(scenario())

    assert (bulkhead.inside, bulkhead.waiting) == (0, 0)


@pytest.mark.parametrize("kind", [Bulkhead, AsyncBulkhead])
@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1, "queue": -1}])
def test_bulkhead_that_makes_no_sense(kind: type[Bulkhead], wrong: dict[str, int]) -> None:
    """It is refused where it is made."""
    with pytest.raises(ValueError, match="at least 1"):
        kind("stripe", **wrong)
