"""Which instance is asked: the less loaded, not the avoided, not the failing."""

from __future__ import annotations

import random
import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.platform.discovery import Instance, LeastLoaded, NoInstance, OfRole, Role
from modules.platform.discovery.ejecting import Ejections
from tests.platform.discovery.forking import in_fork
from tests.platform.discovery.serving import instance


class Known:
    """A source whose instances the test changes."""

    def __init__(self, *known: Instance) -> None:
        self.known = known

    def instances(self, module: str) -> tuple[Instance, ...]:
        return tuple(one for one in self.known if one.module == module)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _chooser(*known: Instance, clock: Clock | None = None, **other: object) -> LeastLoaded:
    ejections = Ejections(after=2, shortest=1, longest=8, clock=clock or Clock())
    return LeastLoaded(Known(*known), ejections=ejections, rng=random.Random(7), **other)  # type: ignore[arg-type]


def _fail(chooser: LeastLoaded, one: Instance, times: int = 1) -> None:
    for _ in range(times):
        chooser.done(one, failed=True)


A, B, C = instance("a"), instance("b"), instance("c")


def test_nobody_to_ask_is_an_error_that_may_pass() -> None:
    """Typed, coded and retryable, as callers of a module know it."""
    with pytest.raises(NoInstance, match="No instance of payment is known") as caught:
        _chooser().choose("payment")

    assert caught.value.retryable
    assert caught.value.code == "discovery.no_instance"


def test_of_two_the_less_loaded_is_asked() -> None:
    """In share of what they take: 3 of 8 under way is less than 1 of 2."""
    small, large = instance("small", capacity=2), instance("large", capacity=8)
    chooser = _chooser(small, large)
    while chooser.in_flight("small") < 1 or chooser.in_flight("large") < 3:
        chooser.choose("payment")

    before = Counter(small=chooser.in_flight("small"), large=chooser.in_flight("large"))
    one = chooser.choose("payment")
    assert before["small"] / 2 >= before["large"] / 8 or one.id == "small"


@settings(deadline=None)
@given(capacities=st.lists(st.integers(1, 100), min_size=2, max_size=2), seed=st.integers(0, 2**32))
def test_two_instances_stay_balanced_by_capacity(capacities: list[int], seed: int) -> None:
    """Of two, both are always looked at: loads differ by no more than one call."""
    known = [instance(str(n), capacity=capacity) for n, capacity in enumerate(capacities)]
    chooser = LeastLoaded(Known(*known), rng=random.Random(seed))
    for _ in range(200):
        chooser.choose("payment")

    loads = [chooser.in_flight(one.id) / one.capacity for one in known]
    assert abs(loads[0] - loads[1]) <= 1 / min(capacities) + 1e-9


def test_many_instances_are_balanced_far_better_than_by_chance() -> None:
    """The power of two choices: the fullest has a few calls more, not a few times as many."""
    known = [instance(str(n)) for n in range(50)]
    chooser = LeastLoaded(Known(*known), rng=random.Random(3))
    for _ in range(5_000):
        chooser.choose("payment")

    counts = [chooser.in_flight(one.id) for one in known]
    by_chance = Counter(random.Random(3).choices(range(50), k=5_000))
    assert max(counts) - 100 <= 4
    assert max(by_chance.values()) - 100 > 12


def test_avoided_instance_is_asked_only_when_there_is_no_other() -> None:
    """A second attempt goes elsewhere if there is an elsewhere."""
    chooser = _chooser(A, B)
    assert {chooser.choose("payment", avoid={"a"}).id for _ in range(50)} == {"b"}
    assert chooser.choose("payment", avoid={"a", "b"}).id in {"a", "b"}


def test_role_chooses_the_database() -> None:
    """Calls for one authority never reach an instance of the other."""
    origin = instance("o", role=Role.ORIGIN)
    known = Known(A, origin)
    for role, id in ((Role.ORIGIN, "o"), (Role.OWN, "a")):
        chooser = LeastLoaded(OfRole(known, role))
        assert {chooser.choose("payment").id for _ in range(20)} == {id}
    with pytest.raises(NoInstance):
        LeastLoaded(OfRole(Known(A), Role.ORIGIN)).choose("payment")


def test_failing_instance_is_left_alone_and_tried_again() -> None:
    """After failures in a row, for longer each time, and a success forgives all."""
    clock = Clock()
    chooser = _chooser(A, B, clock=clock)
    _fail(chooser, A)
    chooser.done(A)
    _fail(chooser, A)
    assert {chooser.choose("payment").id for _ in range(50)} == {"a", "b"}

    _fail(chooser, A)
    for wait in (1, 2, 4, 8, 8):
        assert {chooser.choose("payment").id for _ in range(50)} == {"b"}, wait
        clock.now += wait - 0.01
        assert {chooser.choose("payment").id for _ in range(50)} == {"b"}, wait
        clock.now += 0.01
        assert "a" in {chooser.choose("payment", avoid={"b"}).id for _ in range(5)}
        _fail(chooser, A)
    chooser.done(A)
    assert "a" in {chooser.choose("payment", avoid={"b"}).id for _ in range(5)}
    _fail(chooser, A)
    assert "a" in {chooser.choose("payment", avoid={"b"}).id for _ in range(5)}


def test_when_all_fail_all_are_tried() -> None:
    """Leaving everybody alone helps nobody."""
    chooser = _chooser(A, B)
    _fail(chooser, A, 2)
    _fail(chooser, B, 2)

    assert {chooser.choose("payment").id for _ in range(50)} == {"a", "b"}


def test_call_counts_while_it_is_under_way() -> None:
    """However it ends."""
    chooser = _chooser(A)
    with chooser.chosen("payment") as one:
        assert (one, chooser.in_flight("a")) == (A, 1)
    assert chooser.in_flight("a") == 0
    with pytest.raises(KeyError), chooser.chosen("payment"):
        raise KeyError
    assert chooser.in_flight("a") == 0


def test_only_failures_of_the_instance_count_against_it() -> None:
    """A declined payment says that it works well."""
    chooser = _chooser(A, B, failures=(ConnectionError,))
    for error in (ValueError, ConnectionError, ValueError, ConnectionError):
        with pytest.raises(error), chooser.chosen("payment", avoid={"b"}):
            raise error
    assert {chooser.choose("payment").id for _ in range(50)} == {"a", "b"}

    for _ in range(2):
        with pytest.raises(ConnectionError), chooser.chosen("payment", avoid={"b"}):
            raise ConnectionResetError
    assert {chooser.choose("payment").id for _ in range(50)} == {"b"}


def test_many_threads_choose_at_once() -> None:
    """Nothing is under way when all are done, and no count is lost meanwhile."""
    chooser = _chooser(A, B, C)
    barrier = threading.Barrier(8)

    def call() -> None:
        barrier.wait(20)
        for _ in range(500):
            with chooser.chosen("payment") as one:
                assert chooser.in_flight(one.id) >= 1

    threads = [threading.Thread(target=call) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [chooser.in_flight(id) for id in "abc"] == [0, 0, 0]


def test_forked_child_has_nothing_under_way_and_no_foreign_lock() -> None:
    """Though another thread of the parent was choosing at that very moment."""
    chooser = _chooser(A)
    chooser.choose("payment")
    chooser._lock.acquire()
    try:
        assert in_fork(lambda: chooser.in_flight("a") == 0 and bool(chooser.choose("payment")))
    finally:
        chooser._lock.release()
    assert chooser.in_flight("a") == 1


def test_forgotten_failures_do_not_pile_up() -> None:
    """A thousand instances that came, failed and went leave nothing behind."""
    clock = Clock()
    ejections = Ejections(after=1, clock=clock)
    for number in range(3_000):
        clock.now += 1
        ejections.failed(str(number))
    assert len(ejections._records) <= 1_001
