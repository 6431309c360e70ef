"""Compute moves between the monolith and its services while shoppers buy."""

from __future__ import annotations

import pytest

from tests.e2e.moving import move
from tests.e2e.shopper import Shopper, expect
from tests.e2e.town import Town
from tests.waiting import eventually

SWITCHES = 50
BUYERS = 2
DWELL = 0.4  # seconds: enough for some requests on either side
# Seconds: the promise, asked of the median here, of every switch by bench_moving (0.14 and 0.27
# on a quiet machine).
EFFECT = 1.0
# Of the orders: on a busy machine one may not be confirmed in time. A service that refuses calls
# makes all those late that were meant for it.
LATE = 0.1
# Notification is called by nobody here.
BOTH = (
    *(f"payment: {what}" for what in ("requests", "calls", "batches")),
    *(f"notification: {what}" for what in ("requests", "batches")),
)
GUESTS = 16  # all on one side once in 30,000 runs
SKUS = ("E2E-4", "E2E-5")


@pytest.mark.parametrize("share", [100, 0])
def test_work_is_done_where_it_is_placed(town: Town, shopper: Shopper, share: int) -> None:
    """At 100 % all of a module's requests, calls and events are its service's; at 0 % none are."""
    for name in town.services:
        town.place(name, share)
    before = {name: _done(town, name) for name in town.services}
    order = expect(shopper.buy("E2E-1"), 201)
    eventually(lambda: shopper.look(order["id"])["state"] == "captured", what="capture")
    (payment,) = shopper.payments(order["id"])
    assert payment["state"] == "captured"
    eventually(lambda: _sent(shopper, order["id"]), what="the mail")
    for name in town.services:
        done = {what: n - before[name][what] for what, n in _done(town, name).items()}
        assert done["monolith" if share else "service"] == 0, (name, done)
        assert done["service" if share else "monolith"] > 0, (name, done)


def test_a_guests_whole_journey_is_on_one_side(town: Town) -> None:
    """What the shop asks of payment for a guest is done where the front door leads the guest."""
    town.place("payment", 50)
    sides = [_sides_of_a_guest(town) for _ in range(GUESTS)]
    assert all(calls is requests for calls, requests in sides), sides
    assert {requests for _, requests in sides} == {True, False}


def _sides_of_a_guest(town: Town) -> tuple[bool, bool]:
    """Whether the service took the call of their order, and whether it answered their request."""

    def served() -> tuple[float, float]:
        calls = town.counted("payment", "ficus_rpc_served_total", call="payment.authorize")
        return calls, _done(town, "payment")["service"]

    guest = Shopper(town.shop.http)
    first = served()
    order = expect(guest.buy("E2E-1"), 201)
    second = served()
    guest.payments(order["id"])
    third = served()
    return second[0] > first[0], third[1] > second[1]


def _sent(shopper: Shopper, order_id: str) -> bool:
    return [message["state"] for message in shopper.messages(order_id)] == ["sent"]


def _done(town: Town, module: str) -> dict[str, float]:
    """REST requests of the module that each side has answered."""
    route = f"api/v1/{module}*"
    return {
        name: town.counted(side, "ficus_requests_total", route=route)
        for name, side in (("monolith", "monolith"), ("service", module))
    }


def test_fifty_switches_under_load_harm_nobody(town: Town) -> None:
    """No failed request, no charge or mail twice or missing, ledgers equal, both sides used."""
    moved = move(town, switches=SWITCHES, buyers=BUYERS, dwell=DWELL, skus=SKUS)
    assert moved.violations == []
    assert (len(moved.effects), moved.orders > SWITCHES) == (SWITCHES, True), moved.orders
    assert len(moved.late) <= moved.orders * LATE, moved.late
    assert moved.effect_p50 < EFFECT, sorted(moved.effects)
    for what in BOTH:
        assert min(moved.sides[what].values()) > 0, f"{what}: {moved.sides[what]}"
