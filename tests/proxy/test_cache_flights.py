"""Requests for the same answer: one asks, the others wait for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler_proxy.cache import Plan, Rules
from strangler_proxy.cache.flights import MAX_WAITERS, NOT_STORED_SECONDS, Flights
from tests.proxy.cached_shop import Asking, Reply, Shop, fresh


class Crowd:
    """Requests that come before the first one is answered."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.woken: list[int] = []

    def come(self, number: int = 0, **headers: str) -> tuple[Plan, bool]:
        named = {name.replace("_", "-").encode(): v.encode() for name, v in headers.items()}
        plan = self.shop.plan(Asking(headers=named))
        goes = self.shop.cache.join(plan, lambda: self.woken.append(number), self.shop.now)
        return plan, goes


def test_others_wait_and_find_the_answer() -> None:
    """One request upstream for all that came meanwhile."""
    shop = Shop()
    crowd = Crowd(shop)
    first, goes = crowd.come()
    assert goes
    assert [crowd.come(number)[1] for number in (1, 2)] == [False, False]
    shop.forward(first, fresh())
    assert crowd.woken == [1, 2]
    assert shop.get().from_cache
    shop.cache.finish(first, shop.now)
    assert crowd.woken == [1, 2]
    assert shop.cache.counts.waited == 2


def test_waiting_ends_when_the_body_is_whole() -> None:
    """Not with the head: there is nothing to serve yet."""
    shop = Shop()
    crowd = Crowd(shop)
    first, _ = crowd.come()
    crowd.come(1)
    outcome = shop.cache.on_response(first, 200, {b"cache-control": b"max-age=9"}, (), shop.now)
    assert outcome.recording is not None
    outcome.recording.write(b"x", shop.now)
    assert crowd.woken == []
    outcome.recording.commit(shop.now)
    assert crowd.woken == [1]


def test_revalidation_is_shared_too() -> None:
    """A stale answer is checked once."""
    shop = Shop()
    shop.get(fresh(1, etag='"a"'))
    shop.later(2)
    crowd = Crowd(shop)
    first, _ = crowd.come()
    assert not crowd.come(1)[1]
    shop.forward(first, Reply(status=304))
    assert crowd.woken == [1]
    assert shop.get().from_cache


def test_nobody_waits_for_what_is_not_stored() -> None:
    """As soon as the head says so they go, and for some time nobody waits again."""
    shop = Shop()
    crowd = Crowd(shop)
    first, _ = crowd.come()
    crowd.come(1)
    shop.cache.on_response(first, 200, {b"cache-control": b"no-store"}, (), shop.now)
    assert crowd.woken == [1]
    assert crowd.come(2)[1]
    assert crowd.come(3)[1]
    shop.later(NOT_STORED_SECONDS)
    assert crowd.come(4)[1]
    assert not crowd.come(5)[1]


def test_failure_lets_all_go() -> None:
    """Each of them may try."""
    shop = Shop()
    crowd = Crowd(shop)
    first, _ = crowd.come()
    crowd.come(1)
    shop.cache.on_failure(first, shop.now)
    assert crowd.woken == [1]
    assert crowd.come(2)[1]


def test_given_up_fetch_is_taken_over() -> None:
    """When the first client leaves, the next one asks and the rest wait for it."""
    shop = Shop()
    crowd = Crowd(shop)
    first, _ = crowd.come()
    crowd.come(1)
    crowd.come(2)
    shop.cache.finish(first, shop.now)
    assert crowd.woken == [1, 2]
    assert [crowd.come(number)[1] for number in (1, 2)] == [True, False]


def test_other_variants_do_not_wait() -> None:
    """Once it is known what an answer varies by, only equal requests are together."""
    shop = Shop()
    shop.get(fresh(vary="x"), x="1")
    crowd = Crowd(shop)
    assert crowd.come(x="2")[1]
    assert crowd.come(x="3")[1]
    assert not crowd.come(x="2")[1]


def test_unknown_variants_go_after_the_first() -> None:
    """Those that the answer turns out not to suit ask for themselves."""
    shop = Shop()
    crowd = Crowd(shop)
    first, _ = crowd.come(x="1")
    assert not crowd.come(1, x="2")[1]
    shop.forward(first, fresh(vary="x"))
    assert crowd.woken == [1]
    assert crowd.come(x="2")[1]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "x"},
        {"x_api_key": "x"},
        {"if_none_match": '"a"'},
        {"range": "bytes=0-1"},
        {"cache_control": "no-store"},
        {"content_length": "1"},
    ],
)
def test_who_never_waits(headers: dict[str, str]) -> None:
    """Requests whose answer may be for them alone."""
    crowd = Crowd(Shop())
    assert crowd.come()[1]
    assert crowd.come(**headers)[1]


def test_waiting_is_bounded_in_time() -> None:
    """Who comes ``collapse_seconds`` after the first goes too."""
    shop = Shop(collapse_seconds=5.0)
    crowd = Crowd(shop)
    assert crowd.come()[1]
    shop.later(4.9)
    assert not crowd.come()[1]
    shop.later(0.1)
    assert crowd.come()[1]


def test_only_who_asks_ends_the_waiting() -> None:
    """Those that wait, or went on their own account, wake nobody when they end."""
    shop = Shop(collapse_seconds=5.0)
    crowd = Crowd(shop)
    first, _ = crowd.come()
    waiting, _ = crowd.come(1)
    shop.later(5)
    late, _ = crowd.come(2)
    shop.cache.finish(waiting, shop.now)
    shop.cache.finish(late, shop.now)
    assert crowd.woken == []
    shop.cache.finish(first, shop.now)
    assert crowd.woken == [1]


def test_who_wants_it_checked_does_not_wait() -> None:
    """A client's no-cache would not be met by what another's request brings."""
    shop = Shop()
    shop.get(fresh(etag='"a"'))
    crowd = Crowd(shop)
    assert crowd.come(cache_control="no-cache")[1]
    assert crowd.come(cache_control="no-cache")[1]


def test_waiting_is_bounded_in_number() -> None:
    """One too many goes; so does who leaves."""
    shop = Shop()
    crowd = Crowd(shop)
    first, _ = crowd.come()
    waiting, _ = crowd.come(1)
    shop.cache.leave(waiting)
    for number in range(MAX_WAITERS):
        assert not crowd.come(number)[1]
    assert crowd.come()[1]
    assert shop.cache.flights.waiting == MAX_WAITERS
    shop.forward(first, fresh())
    assert crowd.woken == list(range(MAX_WAITERS))
    assert shop.cache.flights.waiting == 0


def test_collapsing_can_be_switched_off() -> None:
    """With ``collapse_seconds`` 0 everybody asks."""
    crowd = Crowd(Shop(collapse_seconds=0.0))
    assert crowd.come()[1]
    assert crowd.come()[1]


def test_others_of_a_route_without_the_cache_are_apart() -> None:
    """The space is part of what is waited for."""
    shop = Shop()
    crowd = Crowd(shop)
    assert crowd.come()[1]
    shop.rules = Rules("other", shop.rules.policy)
    assert crowd.come()[1]


@given(
    st.lists(
        st.tuples(st.sampled_from(["join", "leave", "land"]), st.integers(0, 2), st.booleans()),
        max_size=60,
    )
)
def test_everybody_is_woken_once(steps: list[tuple[str, int, bool]]) -> None:
    """Whoever waits is woken when his flight lands, or has left; nobody is forgotten."""
    flights = Flights()
    waiting: dict[int, dict[int, int]] = {0: {}, 1: {}, 2: {}}  # what: ticket: person
    leading: dict[int, int] = {}
    woken: list[int] = []
    for person, (step, what, flag) in enumerate(steps):
        if step == "join":
            goes, ticket = flights.join(what, lambda who=person: woken.append(who), 0.0, 5.0)  # type: ignore[misc]
            if not goes:
                waiting[what][ticket] = person
            elif ticket:
                leading[what] = ticket
        elif step == "leave" and waiting[what]:
            flights.leave(what, waiting[what].popitem()[0])
        elif step == "land" and what in leading:
            expected = list(waiting[what].values())
            waiting[what].clear()
            woken.clear()
            flights.land(what, leading.pop(what), 0.0, storable=flag)
            assert woken == expected
    assert flights.waiting == sum(map(len, waiting.values()))
