"""The process dies at every boundary of an order, once and twice; afterwards all is at rest.

The crash points of a run are numbered as they are passed. Each is then run again with a crash
there and recovered by what sweeper and workers do.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from uuid import UUID, uuid4

import pytest
from django.db import connections

from modules.orders.contract import OrderState
from modules.orders.models import Order
from modules.orders.sagas import calls
from modules.orders.service.cancellation import CancelOrder, cancel
from modules.orders.service.placement import OrderFailure
from modules.platform.contracts import ContractError
from modules.platform.databases import atomic
from modules.platform.messaging.crashpoints import (
    POINTS,
    SimulatedCrash,
    crash_point,
    observed,
)
from modules.platform.sagas import recording, store
from modules.platform.sagas.saga import Saga, Status
from tests.modules.orders.conftest import Clock, buy, settle
from tests.modules.orders.fakes import BEFORE, LOST, World

pytestmark = pytest.mark.django_db(transaction=True)

AT_REST = {OrderState.CONFIRMED, OrderState.CANCELLED}


class Crasher:
    """Counts the crash points of sagas that are passed, and dies at chosen ones."""

    def __init__(self, *at: int) -> None:
        self.at, self.passed = set(at), 0
        self.seen: set[str] = set()

    def __call__(self, point: str) -> None:
        if not point.startswith("saga."):
            return
        self.passed += 1
        self.seen.add(point)
        if self.passed in self.at:
            raise SimulatedCrash(point)


@dataclass
class Trial:
    """One order in a world of its own."""

    world: World
    clock: Clock
    cart_id: UUID

    @classmethod
    def new(cls, world: World) -> Trial:
        world.stock = {"apple": 10**6}
        return cls(world=world, clock=Clock(), cart_id=world.new_cart(apple=2))

    def settled(self, crasher: Crasher) -> None:
        """Recover, dying again where the crasher says so, until nothing is due."""
        for _ in range(10):
            with suppress(SimulatedCrash), observed(crasher):
                settle(self.clock)
                return
        raise AssertionError("recovery did not end")

    def check(self) -> None:
        """What must hold at rest, however often the process died."""
        orders = list(Order.objects.filter(cart_id=self.cart_id))
        assert len(orders) <= 1
        for order in orders:
            self.check_order(order)
        if not orders or orders[0].state == OrderState.CANCELLED:
            assert self.world.held("apple") == 0
        self.check_sagas()

    def check_order(self, order: Order) -> None:
        assert order.state in AT_REST
        account = self.world.accounts.get(order.id)
        assert account is None or account.charges <= 1
        if order.state == OrderState.CONFIRMED:
            assert self.world.standing(order.id) == order.total
            assert self.world.carts[self.cart_id].completed
        else:
            assert self.world.standing(order.id) == 0

    def check_sagas(self) -> None:
        with connections["orders"].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM saga WHERE status <> 'done'")
            assert cursor.fetchone() == (0,)

    def clean(self) -> None:
        """Forget the order, so that the next trial stands alone."""
        with connections["orders"].cursor() as cursor:
            cursor.execute("TRUNCATE orders_order, saga, bus_outbox, bus_timer CASCADE")
        for mapping in (self.world.holds, self.world.accounts, self.world.answers):
            mapping.clear()
        self.world.faults.clear()
        self.world.always.clear()


Scenario = Callable[[Trial], None]


def place_it(trial: Trial, method: str = "card_ok") -> None:
    with suppress(OrderFailure, ContractError):
        buy(trial.cart_id, method=method, clock=trial.clock)


def declined(trial: Trial) -> None:
    place_it(trial, "card_declined")


def timed_out(trial: Trial) -> None:
    place_it(trial, "card_timeout")


def never_answered(trial: Trial) -> None:
    trial.world.always["payment.authorize"] = LOST
    place_it(trial)


def flaky(trial: Trial) -> None:
    for call in ("inventory.reserve", "payment.authorize", "cart.complete_checkout"):
        trial.world.fail(call, BEFORE, LOST)
    place_it(trial)


def placed_and_cancelled(trial: Trial) -> None:
    place_it(trial)
    order = Order.objects.filter(cart_id=trial.cart_id).first()
    if order is not None:
        with suppress(ContractError):
            cancel(CancelOrder(order_id=order.id, reason="no", actor="me"), clock=trial.clock)


SCENARIOS = [place_it, declined, timed_out, never_answered, flaky, placed_and_cancelled]


def attempt(world: World, scenario: Scenario, *at: int) -> int:
    """Run the scenario with crashes there; how many points were passed."""
    trial = Trial.new(world)
    crasher = Crasher(*at)
    with suppress(SimulatedCrash), observed(crasher):
        scenario(trial)
    trial.settled(crasher)
    trial.check()
    trial.clean()
    return crasher.passed


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_crash_at_any_point_leaves_nothing_half_done(world: World, scenario: Scenario) -> None:
    """Confirmed with one charge, or cancelled with everything given back; no saga at work."""
    points = attempt(world, scenario)
    assert points >= 12
    for point in range(1, points + 1):
        attempt(world, scenario, point)


def test_a_crash_delays_an_order_and_does_not_fail_it(world: World) -> None:
    """A worker takes over before any deadline passes: the order is confirmed all the same."""
    points = attempt(world, place_it)
    for point in range(1, points + 1):
        trial = Trial.new(world)
        with suppress(SimulatedCrash), observed(Crasher(point)):
            place_it(trial)
        trial.settled(Crasher())
        order = Order.objects.get(cart_id=trial.cart_id)
        assert order.state == OrderState.CONFIRMED, point
        trial.clean()


def test_neither_do_two_the_second_in_the_worker_that_took_over(world: World) -> None:
    """By then the phase's deadline has passed, and nobody has asked: that is no reason to give up.

    A web server dies while it places the order, and so does the worker that goes on with it.
    """
    points = attempt(world, place_it)
    for first, second in combinations(range(1, points + 3), 2):
        trial, crasher = Trial.new(world), Crasher(first, second)
        with suppress(SimulatedCrash), observed(crasher):
            place_it(trial)
        trial.settled(crasher)
        assert Order.objects.get(cart_id=trial.cart_id).state == OrderState.CONFIRMED
        trial.check()
        trial.clean()


def test_two_crashes_at_any_points_leave_nothing_half_done(world: World) -> None:
    """Also when recovery itself dies, and there is something to give back."""
    points = attempt(world, declined)
    for pair in combinations(range(1, points + 3), 2):
        attempt(world, declined, *pair)


def test_every_crash_point_of_sagas_is_passed_by_an_order(world: World, clock: Clock) -> None:
    """What is listed is what the tests above die at."""
    crasher = Crasher()
    with observed(crasher):
        buy(world.new_cart(), clock=clock)
    assert crasher.seen == {point for point in POINTS if point.startswith("saga.")}


def new_key_each_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Saga, "key_of", lambda saga, step: str(uuid4()))


def sweeper_sleeps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store, "due", lambda module, now, limit: [])
    patch.setattr("tests.modules.orders.conftest._next_due", lambda: None)


def stock_is_not_released(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(calls.PLACING, "release_stock", lambda call: None)


def money_is_not_given_back(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(calls.PLACING, "cancel_payment", lambda call: None)


def cart_is_not_completed(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(calls.PLACING, "complete_cart", lambda call: None)


def order_is_changed_apart_from_the_saga(patch: pytest.MonkeyPatch) -> None:
    """The record commits, and the module's change is lost when the process dies in between."""
    whole = recording._store_with

    def apart(module, definition, before, after, change, now):  # type: ignore[no-untyped-def]
        silent = replace(definition, apply=lambda change: None)
        if not whole(module, silent, before, after, change, now):
            return False
        crash_point("saga.apart")
        if change is not None:
            with atomic(module):
                definition.apply(change)
        return True

    patch.setattr(recording, "_store_with", apart)


@pytest.mark.parametrize(
    "bug",
    [
        new_key_each_time,
        sweeper_sleeps,
        stock_is_not_released,
        money_is_not_given_back,
        cart_is_not_completed,
        order_is_changed_apart_from_the_saga,
    ],
    ids=lambda bug: bug.__name__,
)
def test_a_seeded_bug_is_caught(
    world: World, monkeypatch: pytest.MonkeyPatch, bug: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """The invariants can fail: each bug breaks one of them somewhere."""
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        every_crash(world)


def every_crash(world: World) -> None:
    for scenario in (place_it, declined, never_answered):
        for point in range(1, 20):
            attempt(world, scenario, point)


def test_abandoned_lease_is_taken_over(world: World, clock: Clock) -> None:
    """Nobody touches the saga while its runner may live; then a worker goes on."""
    cart_id = world.new_cart()
    crasher = Crasher(3)
    with suppress(SimulatedCrash), observed(crasher):
        buy(cart_id, clock=clock)
    assert store.due("orders", clock(), 10) == []
    clock.forward(seconds=31)
    (saga_id,) = store.due("orders", clock(), 10)
    settle(clock)
    saga = store.load("orders", saga_id)
    assert saga is not None
    assert saga.status is Status.DONE
