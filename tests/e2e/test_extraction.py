"""Modules move out to a database of their own and back while shoppers buy, and nobody notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.buyers import Notebook, buying
from tests.e2e.extracting import Controller, looking
from tests.e2e.killing import PATIENCE, Kill, killed
from tests.e2e.moving import Moved, judge
from tests.e2e.running import RunningShop
from tests.e2e.town import Town
from tests.waiting import eventually

BUYERS = 3
PAUSE = 1.0  # seconds between two purchases of one; each step is a process that wants to start, too
MORE = 5  # orders between two steps
SKUS = ("E2E-7", "E2E-8")
WITHIN = 60.0  # seconds for so many orders on a busy machine
HEALED_WITHIN = 20.0  # seconds; two looks of a watch, on a busy machine
LATE = 0.2  # of the orders: a swap in the midst of one may leave it to a worker
KILLS = (
    Kill(verb="cutover", step="drained", victim="proxy"),
    Kill(verb="rollback", step="fenced", victim="payment-own-web"),
    Kill(verb="cutover", step="committed", victim="payment-watch"),
)
TWICE = """
SELECT o.number, t.kind, count(*) FROM orders.orders_order o
JOIN orders.orders_timelineentry t ON t.order_id = o.id
WHERE o.email = ANY(%s) GROUP BY 1, 2 HAVING count(*) > 1
"""
PARKED = "SELECT count(*) FROM {}.bus_parked"
LISTENERS = ("orders", "payment", "notification", "shipping", "inventory")


@pytest.fixture
def control(town: Town) -> Iterator[Controller]:
    """The shop's control plane; all is at home again when a test has ended."""
    with Controller(town.shop) as controller:
        yield controller


def test_payment_moves_out_and_back_under_load(control: Controller) -> None:
    """Twice there and twice back: no failed request, no charge or mail twice or missing, ledgers
    equal, the rows of both sides equal each time, every event handled once; the operators' page
    keeps its address.
    """
    shop, parked, swaps = control.shop, _parked(control.shop), len(control.swaps("payment"))
    with looking(shop, "/admin/payment/payment/") as seen, _bought(shop) as notes:
        _prepared(control, "payment", notes)
        for _ in range(2):
            _swapped(control, "payment", "cutover", notes)
            _swapped(control, "payment", "rollback", notes)
        control.do("cancel", "payment")
        _further(notes)
    assert (seen.wrong, seen.looks > 10) == ([], True)
    _all_is_well(shop, notes)
    assert _parked(shop) == parked
    done = [one["verb"] for one in control.swaps("payment")[swaps:]]
    assert done == ["cutover", "rollback"] * 2


def test_notification_moves_with_controllers_that_are_killed(control: Controller) -> None:
    """It hears events and sends mails: each once, whoever has it. A controller that is killed in
    mid-cutover leaves nothing that somebody would have to put right.
    """
    shop, parked = control.shop, _parked(control.shop)
    with _bought(shop) as notes:
        _prepared(control, "notification", notes)
        control.die("cutover", "notification", "drained")
        _put_right(control, "notification", "shadow")
        control.die("cutover", "notification", "committed")
        _put_right(control, "notification", "extracted")
        _further(notes)
        assert control.do("verify", "notification")["rows_differ"] == 0
        _swapped(control, "notification", "rollback", notes)
    _all_is_well(shop, notes)
    assert _parked(shop) == parked


def test_a_process_that_dies_in_a_swap_harms_no_order(control: Controller) -> None:
    """Front door, service or watch: the swap comes to its end, and whoever asks again with the same
    key has one order, one charge, one mail. ``bench_killing`` kills all others, too, at every step:
    what a dead web process was at is done a minute later.
    """
    shop = control.shop
    with buying(shop.base, SKUS, buyers=BUYERS, pause=PAUSE, patience=PATIENCE) as notes:
        _prepared(control, "payment", notes)
        done = [killed(control, kill) for kill in KILLS]
        _further(notes)
        assert control.do("verify", "payment")["rows_differ"] == 0
    assert [one.code for one in done if one.code not in (0, 1, 3)] == []
    moved = Moved()
    judge(shop, notes, moved)
    assert moved.violations == []


def _bought(shop: RunningShop):  # type: ignore[no-untyped-def]
    return buying(shop.base, SKUS, buyers=BUYERS, pause=PAUSE)


def _prepared(control: Controller, module: str, notes: Notebook) -> None:
    """create, backfill, verify; the service on its own database is there."""
    control.do("create", module)
    control.wait_for_own(module)
    control.do("backfill", module)
    assert control.do("verify", module)["rows_differ"] == 0
    _further(notes)


def _swapped(control: Controller, module: str, verb: str, notes: Notebook) -> None:
    """The side that has the authority then does the work, and the other one has the same rows."""
    before = control.counted(module, "ficus_bus_handled_total", consumer=module)
    control.do(verb, module)
    _further(notes)
    assert control.do("verify", module)["rows_differ"] == 0
    if verb == "cutover":
        did = lambda: control.counted(module, "ficus_bus_handled_total", consumer=module) > before  # noqa: E731
        eventually(did, what=f"an event handled by {module} on its own")


def _put_right(control: Controller, module: str, phase: str) -> None:
    """By whoever watches: the record, and the front door lets commands go on."""
    eventually(
        lambda: (
            (control.phase(module), control.is_held(module)) == (phase, False)
            and control.is_free(module)
        ),
        within=HEALED_WITHIN,
        what=f"{module} as {phase}, nothing held, and nobody at it",
    )


def _further(notes: Notebook) -> None:
    """Some more orders."""
    wanted = len(notes.orders) + MORE
    eventually(lambda: len(notes.orders) >= wanted, within=WITHIN, what=f"{MORE} more orders")


def _all_is_well(shop: RunningShop, notes: Notebook) -> None:
    moved = Moved()
    judge(shop, notes, moved)
    assert moved.violations == []
    assert len(moved.late) <= moved.orders * LATE, moved.late
    assert shop.query(TWICE, [order.email for order in notes.orders]) == []


def _parked(shop: RunningShop) -> dict[str, int]:
    """Events that could not be handled, by who should have."""
    return {name: shop.query(PARKED.format(name))[0][0] for name in LISTENERS}
