"""Many buyers of one SKU at once, with real commits: nothing is oversold, nobody deadlocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from random import Random
from uuid import uuid4

import pytest
from django.db import connections

from modules.inventory.contract import (
    AllocateStock,
    InsufficientStock,
    ReleaseStock,
    Reservation,
    ReservationClosed,
)
from modules.inventory.service import expiry, utc_now
from modules.inventory.service.audit import audit
from tests.modules.inventory.shop import counters, inventory, reserving, stocked

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], object]) -> list[object]:
    """Run all works at the same moment, each in a thread; results or exceptions, in order."""
    results: list[object] = [None] * len(works)
    gate = threading.Barrier(len(works))

    def run(number: int, work: Callable[[], object]) -> None:
        gate.wait()
        try:
            results[number] = work()
        except Exception as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("buyers", [16, 64])
def test_as_many_buyers_get_it_as_there_are_pieces(buyers: int) -> None:
    """Of 16 or 64 buyers exactly 20 (or all 16) get one; the rest hear what is left; no retries."""
    for round_number in range(5):
        sku = f"hot{round_number}"
        stocked(**{sku: 20})
        results = at_once(
            *(lambda sku=sku: inventory.reserve(reserving(**{sku: 1})) for _ in range(buyers))
        )
        won = [result for result in results if isinstance(result, Reservation)]
        lost = [result for result in results if isinstance(result, InsufficientStock)]
        assert (len(won), len(lost)) == (min(20, buyers), max(buyers - 20, 0)), results
        assert counters(sku) == (20, len(won), 0)
    assert not audit().differences


def test_buyers_of_several_skus_in_any_order_do_not_deadlock() -> None:
    """Lines are locked in SKU order, however the order names them; releases run beside them."""
    stocked("east", a=400, b=400, c=400)
    stocked("west", a=400, b=400, c=400)

    def shopper(seed: int) -> int:
        random = Random(seed)
        for _ in range(8):
            skus = random.sample("abc", 3)
            command = reserving(**{sku: random.randint(1, 2) for sku in skus})
            inventory.reserve(command)
            if random.random() < 0.5:
                inventory.release(
                    ReleaseStock(
                        order_id=command.order_id, reason="x", idempotency_key=str(uuid4())
                    )
                )
        return 1

    results = at_once(*(lambda seed=seed: shopper(seed) for seed in range(16)))
    assert results == [1] * 16
    assert not audit().differences


def test_one_command_sent_many_times_at_once_reserves_once() -> None:
    """Sixteen copies of a command give one reservation and one answer."""
    stocked(a=20)
    command = reserving(a=2)
    results = at_once(*(lambda: inventory.reserve(command) for _ in range(16)))
    assert len(set(results)) == 1
    assert counters("a") == (20, 2, 0)


def test_expiry_and_allocation_of_one_order_do_not_both_happen() -> None:
    """Whoever comes first wins; the counters always tell which."""
    for number in range(10):
        sku = f"r{number}"
        stocked(**{sku: 1})
        command = reserving(minutes=-1, **{sku: 1})
        inventory.reserve(command)
        allocate = AllocateStock(order_id=command.order_id, idempotency_key="k")
        allocated, _ = at_once(
            lambda allocate=allocate: inventory.allocate(allocate),
            lambda: expiry.expire_due(now=utc_now()),
        )
        if isinstance(allocated, ReservationClosed):
            assert counters(sku) == (1, 0, 0)
        else:
            assert isinstance(allocated, Reservation), allocated
            assert counters(sku) == (1, 0, 1)
    assert not audit().differences


def test_release_and_reserve_of_one_order_leave_nothing_held() -> None:
    """A saga that gives up while its reserve is under way leaks nothing."""
    stocked(a=50)
    for _ in range(10):
        command = reserving(a=1)
        give_up = ReleaseStock(order_id=command.order_id, reason="x", idempotency_key="k")
        at_once(
            lambda command=command: inventory.reserve(command),
            lambda give_up=give_up: inventory.release(give_up),
        )
    assert counters("a") == (50, 0, 0)


def test_a_hot_sku_is_sold_at_a_brisk_rate() -> None:
    """Sixteen buyers in a row on one row: reservations do not collapse under contention."""
    stocked(a=100_000)
    started = time.perf_counter()

    def buy() -> None:
        for _ in range(20):
            inventory.reserve(reserving(a=1))

    at_once(*([buy] * 16))
    rate = 320 / (time.perf_counter() - started)
    # 660-930/s measured on 2 cores; the bound only catches a collapse (retries, lock storms).
    assert rate > 60, f"{rate:.0f} reservations/s"
    assert counters("a") == (100_000, 320, 0)
