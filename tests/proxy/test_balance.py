"""Balancing, ejection, breakers and draining, step by step and against a model."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modules.platform.resilience import BreakerState, CircuitBreaker, CircuitOpen
from strangler_proxy.balance import Balancer, Member
from strangler_proxy.config import Breaker, Health, Instance, Outliers, Upstream

OUTLIERS = Outliers(consecutive_failures=3, eject_seconds=10, max_eject_seconds=35)


class Bench:
    """A balancer, its time and the members that it gave back."""

    def __init__(self, weights: Iterable[int] = (1, 1, 1), **options: Any) -> None:
        self.now = 1000.0
        self.gone: list[Member] = []
        options = {"breaker": None, "outliers": None, **options}
        self.balancer = Balancer(
            "shop",
            Upstream(**options),
            on_gone=self.gone.append,
            rng=random.Random(7),
            clock=lambda: self.now,
        )
        self.be(*weights)

    def be(self, *weights: int, first: int = 0) -> None:
        """Discovery names hosts ``h<first>``, ... with these weights."""
        self.balancer.update(
            [
                Instance(address=f"h{number}:80", weight=weight)
                for number, weight in enumerate(weights, first)
            ],
            self.now,
        )

    def member(self, number: int) -> Member:
        members = (*self.balancer.members, *self.balancer.leaving)
        return next(one for one in members if one.address == f"h{number}:80")

    def pick(self, *avoid: Member) -> Member | None:
        return self.balancer.pick(self.now, avoid)

    def asked(self, times: int = 200) -> Counter[str]:
        """Who is picked, one request after the other."""
        picked = [self.pick() for _ in range(times)]
        return Counter(one.address if one else "nobody" for one in picked)

    def request(self, member: Member, failed: bool | None = False) -> None:
        ticket = self.balancer.started(member)
        self.balancer.finished(member, ticket, self.now, failed=failed)

    def fail(self, member: Member, times: int) -> None:
        for _ in range(times):
            self.request(member, failed=True)


# ---------------------------------------------------------------- choosing


@pytest.mark.parametrize("weights", [(1, 1), (1, 1, 1), (1, 2), (1, 2, 4), (10, 1)])
def test_single_requests_come_in_proportion_to_the_weights(weights: tuple[int, ...]) -> None:
    """With nothing else under way, twice the weight takes twice the requests."""
    bench = Bench(weights)

    asked = bench.asked(6000)

    for number, weight in enumerate(weights):
        share = asked[f"h{number}:80"] / 6000
        assert share == pytest.approx(weight / sum(weights), abs=0.025)


@pytest.mark.parametrize("weights", [(1,) * 50, (1, 2, 4)])
def test_requests_under_way_are_spread_evenly(weights: tuple[int, ...]) -> None:
    """Two choices keep the fullest member close to its fair share; one random choice would not."""
    bench = Bench(weights)
    requests = 20 * sum(weights)

    for _ in range(requests):
        member = bench.pick()
        assert member is not None
        bench.balancer.started(member)

    for member in bench.balancer.members:
        assert abs(member.inflight - 20 * member.weight) <= 4


def test_slower_member_gets_fewer_requests() -> None:
    """It has more under way, so the other one is asked."""
    bench = Bench((1, 1))
    bench.balancer.started(bench.member(0))

    assert bench.asked() == {"h1:80": 200}


def test_lone_member_is_asked() -> None:
    """There is no second choice to make."""
    assert Bench((3,)).asked(5) == {"h0:80": 5}


def test_nobody_is_there() -> None:
    """Before discovery has found anyone there is nobody to ask."""
    bench = Bench(())

    assert bench.pick() is None
    assert bench.balancer.retry_after() == 0.0


def test_tried_members_are_avoided() -> None:
    """A second attempt goes elsewhere, and nowhere when all have been tried."""
    bench = Bench((1, 5, 1))
    members = bench.balancer.members

    assert {bench.pick(members[0], members[2]) for _ in range(50)} == {members[1]}
    assert {bench.pick(members[0]) for _ in range(50)} == {members[1], members[2]}
    assert bench.pick(*members) is None


def test_second_attempts_come_in_proportion_to_the_weights_too() -> None:
    """Of those that are left."""
    bench = Bench((1, 4, 1))

    picked = Counter(bench.pick(bench.member(0)) for _ in range(5000))

    assert picked[bench.member(1)] / 5000 == pytest.approx(0.8, abs=0.025)


def test_chance_comes_from_the_argument() -> None:
    """The same seed picks the same members."""
    first, second = Bench((1, 2, 3)), Bench((1, 2, 3))

    assert [str(first.pick()) for _ in range(50)] == [str(second.pick()) for _ in range(50)]


# ---------------------------------------------------------------- active checks


def test_unhealthy_member_is_left_alone() -> None:
    """Until it is marked healthy again."""
    bench = Bench()
    bench.balancer.mark(bench.member(1), False, bench.now)
    assert set(bench.asked()) == {"h0:80", "h2:80"}

    bench.balancer.mark(bench.member(1), True, bench.now)
    assert set(bench.asked()) == {"h0:80", "h1:80", "h2:80"}


def test_all_are_asked_when_none_is_healthy(caplog: pytest.LogCaptureFixture) -> None:
    """The checks are not believed when they leave nobody; it is said once."""
    bench = Bench()
    for member in bench.balancer.members:
        bench.balancer.mark(member, False, bench.now)

    assert set(bench.asked()) == {"h0:80", "h1:80", "h2:80"}
    assert bench.balancer.panics
    bench.balancer.mark(bench.member(2), False, bench.now)
    assert caplog.text.count("no healthy member") == 1

    bench.balancer.mark(bench.member(0), True, bench.now)
    assert set(bench.asked()) == {"h0:80"}
    assert not bench.balancer.panics


# ---------------------------------------------------------------- breakers


BREAKER = Breaker(minimum=4, rest_seconds=5, probes=2)


def test_open_breaker_is_respected() -> None:
    """The others are asked; with all open nobody is, and it is known for how long."""
    bench = Bench((1, 1), breaker=BREAKER)
    bench.fail(bench.member(0), 4)
    assert bench.asked() == {"h1:80": 200}

    bench.now += 1
    bench.fail(bench.member(1), 4)

    assert bench.pick() is None
    assert bench.balancer.retry_after() == pytest.approx(4)


def test_open_breaker_is_respected_when_the_others_are_busy() -> None:
    """That it has nothing under way is no recommendation."""
    bench = Bench((1, 1), breaker=BREAKER)
    bench.fail(bench.member(0), 4)
    for _ in range(10):
        bench.balancer.started(bench.member(1))

    assert bench.asked() == {"h1:80": 200}


def test_open_breaker_is_respected_in_a_panic_too() -> None:
    """What failed for real is not asked because the checks say that all are ill."""
    bench = Bench((1, 1), breaker=BREAKER)
    bench.fail(bench.member(0), 4)
    for member in bench.balancer.members:
        bench.balancer.mark(member, False, bench.now)

    assert bench.asked() == {"h1:80": 200}


def test_half_open_breaker_gets_its_probes_and_no_more() -> None:
    """Two may try; the third is refused until one of them has come back."""
    bench = Bench((1,), breaker=BREAKER)
    member = bench.member(0)
    bench.fail(member, 4)
    bench.now += 5

    tickets = []
    while (picked := bench.pick()) is not None:
        tickets.append(bench.balancer.started(picked))
    assert len(tickets) == 2

    for ticket in tickets:
        bench.balancer.finished(member, ticket, bench.now, failed=False)
    assert member.breaker is not None
    assert member.breaker.state is BreakerState.CLOSED


def test_request_that_says_nothing_leaves_the_breaker_as_it_is() -> None:
    """A client that went away frees the probe's place and closes nothing."""
    bench = Bench((1,), breaker=BREAKER, outliers=OUTLIERS)
    member = bench.member(0)
    bench.fail(member, 4)
    bench.now += 5

    for _ in range(5):
        bench.request(member, failed=None)

    assert member.breaker is not None
    assert member.breaker.state is BreakerState.HALF_OPEN
    assert member.inflight == 0
    assert bench.pick() is member


def test_waiting_between_pick_and_start_can_be_refused() -> None:
    """Then nothing is counted as under way."""
    bench = Bench((1,), breaker=BREAKER)
    member = bench.pick()
    assert member is not None
    bench.fail(member, 4)

    with pytest.raises(CircuitOpen):
        bench.balancer.started(member)

    assert member.inflight == 0


# ---------------------------------------------------------------- outliers


def test_consecutive_failures_eject_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """Three in a row, and for ten seconds the others are asked."""
    bench = Bench(outliers=OUTLIERS)
    bench.fail(bench.member(1), 2)
    assert set(bench.asked()) == {"h0:80", "h1:80", "h2:80"}

    bench.fail(bench.member(1), 1)
    assert set(bench.asked()) == {"h0:80", "h2:80"}
    assert "shop: h1:80 is ejected for 10 s after 3 failures in a row" in caplog.text

    bench.now += 9.9
    assert set(bench.asked()) == {"h0:80", "h2:80"}
    bench.now += 0.1
    assert set(bench.asked()) == {"h0:80", "h1:80", "h2:80"}


def test_one_success_starts_the_count_again() -> None:
    """Only failures in a row make an outlier; a request that says nothing does not part them."""
    bench = Bench(outliers=OUTLIERS)
    member = bench.member(0)
    for _ in range(5):
        bench.fail(member, 2)
        bench.request(member)
    assert len(bench.asked()) == 3

    bench.fail(member, 2)
    bench.request(member, failed=None)
    bench.fail(member, 1)
    assert len(bench.asked()) == 2


def _ejected_seconds(bench: Bench, member: Member) -> float:
    bench.fail(member, 3)
    seconds = member.ejected_until - bench.now
    bench.now = member.ejected_until
    return seconds


def test_each_ejection_is_longer_than_the_last() -> None:
    """10, 20, 30 seconds and then the most that is allowed."""
    bench = Bench(outliers=OUTLIERS)

    seconds = [_ejected_seconds(bench, bench.member(0)) for _ in range(6)]

    assert seconds == [10, 20, 30, 35, 35, 35]


def test_good_standing_makes_up_for_ejections() -> None:
    """Ten seconds without an ejection forgive one."""
    bench = Bench(outliers=OUTLIERS)
    member = bench.member(0)
    for _ in range(3):
        _ejected_seconds(bench, member)

    bench.now += 20
    assert _ejected_seconds(bench, member) == 20

    bench.now += 1000
    assert _ejected_seconds(bench, member) == 10


def test_long_trouble_is_not_held_against_it_longer_than_the_longest_ejection() -> None:
    """However often it was ejected before: four forgiven steps make it new."""
    bench = Bench(outliers=OUTLIERS)
    member = bench.member(0)
    for _ in range(50):
        _ejected_seconds(bench, member)

    bench.now += 40
    assert _ejected_seconds(bench, member) == 10


@pytest.mark.parametrize(
    ("members", "percent", "ejected"),
    [(1, 50, 0), (2, 50, 1), (3, 50, 1), (4, 50, 2), (4, 0, 0), (4, 25, 1), (4, 100, 4)],
)
def test_only_so_many_are_ejected_at_once(members: int, percent: int, ejected: int) -> None:
    """A lone member never is, unless all may be."""
    bench = Bench(
        (1,) * members, outliers=Outliers(consecutive_failures=1, max_ejected_percent=percent)
    )

    for member in bench.balancer.members:
        bench.fail(member, 3)

    assert sum(one.ejected_until > bench.now for one in bench.balancer.members) == ejected


def test_place_among_the_ejected_goes_to_the_next() -> None:
    """Who could not be ejected is, at its next failure after another one came back."""
    bench = Bench((1, 1), outliers=OUTLIERS)
    bench.fail(bench.member(0), 3)
    bench.fail(bench.member(1), 5)
    assert bench.asked() == {"h1:80": 200}

    bench.now += 10
    bench.fail(bench.member(1), 1)

    assert bench.asked() == {"h0:80": 200}


def test_all_are_asked_when_all_are_ejected() -> None:
    """If that is allowed at all."""
    bench = Bench((1, 1), outliers=Outliers(consecutive_failures=1, max_ejected_percent=100))
    for member in bench.balancer.members:
        bench.fail(member, 1)

    assert set(bench.asked()) == {"h0:80", "h1:80"}
    assert bench.balancer.panics


def test_requests_from_before_an_ejection_do_not_count() -> None:
    """A hundred that were under way fail together: one ejection, of the first length."""
    bench = Bench(outliers=OUTLIERS)
    member = bench.member(0)
    tickets = [bench.balancer.started(member) for _ in range(100)]

    for ticket in tickets:
        bench.balancer.finished(member, ticket, bench.now, failed=True)

    assert member.ejected_until == bench.now + 10
    assert (member.ejections, member.failures, member.failed) == (1, 0, 100)


# ---------------------------------------------------------------- discovery


def test_known_members_keep_what_they_carry() -> None:
    """Counters, breaker and pool survive; weights and order are those of the new list."""
    bench = Bench((1, 1, 1), breaker=BREAKER, outliers=OUTLIERS)
    member = bench.member(1)
    member.pool = pool = object()
    bench.fail(member, 4)

    bench.be(7, 2, first=1)

    assert bench.balancer.members[0] is member
    assert (member.pool, member.weight, member.failed) == (pool, 7, 4)
    assert member.breaker is not None
    assert member.breaker.state is BreakerState.OPEN
    assert bench.asked() == {"h2:80": 200}


def test_vanished_member_drains_and_is_then_given_back() -> None:
    """It gets nothing new, finishes what it has, and is handed over once it is idle."""
    bench = Bench((1, 1))
    member = bench.member(0)
    tickets = [bench.balancer.started(member) for _ in range(2)]

    bench.be(1, first=1)
    assert member.draining
    assert bench.asked() == {"h1:80": 200}
    bench.balancer.finished(member, tickets[0], bench.now, failed=False)
    assert bench.gone == []
    bench.balancer.finished(member, tickets[1], bench.now, failed=True)

    assert bench.gone == [member]
    assert bench.balancer.leaving == ()


def test_idle_member_is_given_back_at_once() -> None:
    """There is nothing to wait for."""
    bench = Bench((1, 1))
    member = bench.member(0)

    bench.be(1, first=1)

    assert bench.gone == [member]


def test_member_that_comes_back_while_it_drains_is_the_same() -> None:
    """A flapping registry costs no connection."""
    bench = Bench((1, 1))
    member = bench.member(0)
    ticket = bench.balancer.started(member)
    bench.be(1, first=1)

    bench.be(1, 1)
    bench.balancer.finished(member, ticket, bench.now, failed=False)

    assert bench.member(0) is member
    assert not member.draining
    assert bench.gone == []
    assert set(bench.asked()) == {"h0:80", "h1:80"}


def test_draining_member_does_not_count_among_the_ejected() -> None:
    """Neither is it ejected itself."""
    bench = Bench((1, 1), outliers=OUTLIERS)
    member = bench.member(0)
    tickets = [bench.balancer.started(member) for _ in range(9)]
    bench.be(1, 1, first=1)

    for ticket in tickets:
        bench.balancer.finished(member, ticket, bench.now, failed=True)

    assert member.ejections == 0


def test_address_that_is_named_twice_is_one_member() -> None:
    """The last word on its weight counts."""
    bench = Bench(())
    bench.balancer.update(
        [Instance(address="a:1", weight=2), Instance(address="a:1", weight=3)], bench.now
    )

    assert [(one.address, one.weight) for one in bench.balancer.members] == [("a:1", 3)]


# ---------------------------------------------------------------- another document


def test_another_document_changes_the_rules_and_not_the_state() -> None:
    """An open breaker stays open, and failures in a row go on counting."""
    bench = Bench((1, 1, 1), breaker=BREAKER, outliers=OUTLIERS)
    bench.fail(bench.member(0), 2)
    bench.fail(bench.member(1), 4)

    bench.balancer.configure(
        Upstream(breaker=Breaker(rest_seconds=60), outliers=OUTLIERS), bench.now
    )

    bench.now += 30
    assert set(bench.asked()) == {"h0:80", "h2:80"}
    bench.fail(bench.member(0), 1)
    assert set(bench.asked()) == {"h2:80"}


def test_rules_that_are_dropped_let_everybody_in_again() -> None:
    """Without breaker, outliers and health nobody is kept out; with them again, all begin anew."""
    bench = Bench((1, 1, 1), breaker=BREAKER, outliers=OUTLIERS, health=Health())
    bench.fail(bench.member(0), 4)
    bench.fail(bench.member(1), 3)
    bench.balancer.mark(bench.member(2), False, bench.now)
    ticket = bench.balancer.started(bench.member(2))

    bench.balancer.configure(Upstream(breaker=None, outliers=None), bench.now)
    bench.balancer.finished(bench.member(2), ticket, bench.now, failed=True)
    assert set(bench.asked()) == {"h0:80", "h1:80", "h2:80"}

    bench.balancer.configure(Upstream(breaker=BREAKER), bench.now)
    assert set(bench.asked()) == {"h0:80", "h1:80", "h2:80"}


def test_ticket_from_before_there_was_a_breaker_counts_for_nothing() -> None:
    """It is of no round."""
    bench = Bench((1,))
    member = bench.member(0)
    tickets = [bench.balancer.started(member) for _ in range(8)]
    bench.balancer.configure(Upstream(breaker=BREAKER), bench.now)

    for ticket in tickets:
        bench.balancer.finished(member, ticket, bench.now, failed=True)

    assert bench.pick() is member


def test_snapshot_says_how_each_stands() -> None:
    """As plain values that JSON can carry; ejections that are over are not in it."""
    bench = Bench((1, 2), breaker=BREAKER, outliers=OUTLIERS)
    bench.balancer.started(bench.member(1))
    bench.fail(bench.member(0), 3)
    bench.now += 4

    snapshot = json.loads(json.dumps(bench.balancer.snapshot(bench.now)))

    assert snapshot["panic"] is False
    assert snapshot["members"][0] == {
        "address": "h0:80",
        "weight": 1,
        "inflight": 0,
        "healthy": True,
        "checked": False,
        "draining": False,
        "ejected_seconds": 6.0,
        "breaker": "closed",
        "consecutive_failures": 0,
        "requests": 3,
        "failed": 3,
    }
    bench.now += 6
    assert bench.balancer.snapshot(bench.now)["members"][0]["ejected_seconds"] == 0.0


# ---------------------------------------------------------------- any order of events


@given(st.lists(st.integers(1, 100), min_size=1, max_size=12), st.data())
def test_only_who_is_well_and_not_tried_is_picked(weights: list[int], data: st.DataObject) -> None:
    """And somebody is, unless nobody is left."""
    bench = Bench(weights)
    members = bench.balancer.members
    ill = data.draw(st.sets(st.sampled_from(members), max_size=len(members) - 1))
    avoid = data.draw(st.sets(st.sampled_from(members)))
    for member in ill:
        bench.balancer.mark(member, False, bench.now)
    allowed: set[Member | None] = {*(set(members) - ill - avoid)}

    picked = {bench.pick(*avoid) for _ in range(100)}

    assert picked <= (allowed or {None})


# What happens to a member: time passes, a call begins, or one of those under way ends.
STEPS = st.lists(
    st.one_of(
        st.floats(0, 4),
        st.just("begin"),
        st.tuples(st.integers(0, 5), st.sampled_from([False, False, False, True, None])),
    ),
    max_size=80,
)


@given(STEPS, st.booleans())
def test_the_breaker_stands_as_if_it_were_told_of_each_call(steps: list[Any], adopts: bool) -> None:
    """Calls that went well are told together: beside one of the plain kind that hears of each."""
    rules = Breaker(window_seconds=5, minimum=4, ratio=0.5, rest_seconds=3, probes=2)
    bench = Bench([1], breaker=rules)
    member = bench.member(0)
    assert member.breaker is not None
    plain = CircuitBreaker("plain", member.breaker.policy, clock=lambda: bench.now)
    under_way: list[tuple[int, int]] = []
    for number, step in enumerate(steps):
        if isinstance(step, float):
            bench.now += step
        elif step == "begin":
            assert (bench.pick() is None) is not plain.admits
            if plain.admits:
                under_way.append((bench.balancer.started(member), plain.enter()))
        elif under_way:
            place, failed = step
            ticket, other = under_way.pop(place % len(under_way))
            bench.balancer.finished(member, ticket, bench.now, failed=failed)
            if failed is None:
                plain.forget(other)
            else:
                plain.leave(other, failed=failed)
        if adopts and number == 40:
            changed = Breaker(window_seconds=2, minimum=3, ratio=0.4, rest_seconds=3, probes=2)
            bench.balancer.configure(Upstream(breaker=changed, outliers=None), bench.now)
            plain.adopt(member.breaker.policy)
        assert member.breaker.state is plain.state
        assert member.breaker.retry_after == plain.retry_after


class BalancerMachine(RuleBasedStateMachine):
    """Requests that overlap, members that come, go, fail and fall ill, and time that passes."""

    def __init__(self) -> None:
        super().__init__()
        outliers = Outliers(consecutive_failures=2, eject_seconds=3, max_ejected_percent=60)
        self.bench = Bench((1, 1), breaker=BREAKER, outliers=outliers)
        self.under_way: list[tuple[Member, int]] = []

    @rule(avoided=st.integers(0, 3))
    def ask(self, avoided: int) -> None:
        avoid = [one for one in self.bench.balancer.members if one.address == f"h{avoided}:80"]
        member = self.bench.pick(*avoid)
        if member is None:
            return
        assert member in self.bench.balancer.members
        assert member not in avoid
        assert not member.draining
        if not self.bench.balancer.panics:
            assert member.healthy
            assert member.ejected_until <= self.bench.now
        self.under_way.append((member, self.bench.balancer.started(member)))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), failed=st.sampled_from([True, True, False, None]))
    def end(self, data: st.DataObject, failed: bool | None) -> None:
        index = data.draw(st.integers(0, len(self.under_way) - 1))
        member, ticket = self.under_way.pop(index)
        self.bench.balancer.finished(member, ticket, self.bench.now, failed=failed)

    @rule(hosts=st.dictionaries(st.integers(0, 3), st.integers(1, 5)))
    def discover(self, hosts: dict[int, int]) -> None:
        instances = [Instance(address=f"h{host}:80", weight=w) for host, w in hosts.items()]
        self.bench.balancer.update(instances, self.bench.now)

    @rule(host=st.integers(0, 3), healthy=st.booleans())
    def check(self, host: int, healthy: bool) -> None:
        for member in self.bench.balancer.members:
            if member.address == f"h{host}:80":
                self.bench.balancer.mark(member, healthy, self.bench.now)

    @rule(seconds=st.floats(0, 6))
    def wait(self, seconds: float) -> None:
        self.bench.now += seconds

    @invariant()
    def counts_agree(self) -> None:
        balancer = self.bench.balancer
        under_way = Counter(member for member, _ in self.under_way)
        for member in (*balancer.members, *balancer.leaving):
            assert member.inflight == under_way[member]
        assert all(member.inflight for member in balancer.leaving)

    @invariant()
    def given_back_once_and_idle(self) -> None:
        gone = self.bench.gone
        assert len(set(gone)) == len(gone)
        assert not set(gone) & {member for member, _ in self.under_way}
        assert not set(gone) & set(self.bench.balancer.members)

    @invariant()
    def somebody_is_asked_unless_all_breakers_refuse(self) -> None:
        members = self.bench.balancer.members
        if self.bench.pick() is None:
            ready = [one for one in members if one.healthy and one.ejected_until <= self.bench.now]
            assert not any(one.breaker and one.breaker.admits for one in ready or members)


BalancerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=50)
TestBalancerMachine = BalancerMachine.TestCase
