"""A request for an order dies on the way and comes again with its key: there is one order."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from modules.orders.contract import OrderState
from modules.orders.models import Order
from modules.orders.rest.serializers import ORDER
from modules.platform.contracts import Actor, ActorKind
from modules.platform.messaging.crashpoints import SimulatedCrash, observed
from modules.platform.rest import authentication
from modules.platform.sagas import Signal
from modules.platform.sagas.starting import signal
from tests.modules.orders.conftest import Clock, settle
from tests.modules.orders.fakes import BEFORE, World
from tests.modules.orders.test_crashes import Crasher
from tests.modules.orders.test_rest import DRAFT, TOKEN, Shopper, my_cart, wish

pytestmark = pytest.mark.django_db(transaction=True)
DEAD_FOR = 61  # seconds: then the lease is over, and the key may be taken over
_LATER = (
    "UPDATE idempotency_record SET started_at = started_at - make_interval(secs => %(ago)s) "
    "WHERE answered_at IS NULL",
    "UPDATE saga SET lease_until = lease_until - make_interval(secs => %(ago)s), "
    "due_at = due_at - make_interval(secs => %(ago)s), "
    "deadline_at = deadline_at - make_interval(secs => %(ago)s) WHERE status = 'running'",
)


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(**{"cart-token": TOKEN})


def dies(shopper: Shopper, body: Any, *, at: int) -> bool:
    """Ask for the order; the web server dies at that point, if there are so many."""
    with suppress(SimulatedCrash), observed(Crasher(at)):
        shopper.post("", body, key="once")
        return False
    # A dead process puts nothing in order: its claim of the key stays, and is just made.
    run("UPDATE idempotency_record SET started_at = now() WHERE answered_at IS NULL")
    return True


def run(*statements: str, **values: Any) -> None:
    with connections["orders"].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, values)


def wait() -> None:
    """Until the key may be taken over."""
    run(*_LATER, ago=DEAD_FOR)


def forget(world: World) -> None:
    run("TRUNCATE orders_order, saga, idempotency_record, bus_outbox, bus_timer CASCADE")
    for mapping in (world.holds, world.accounts, world.answers):
        mapping.clear()


def only() -> UUID:
    return UUID(str(Order.objects.get().id))


def test_order_that_a_worker_has_finished_is_answered(world: World, shopper: Shopper) -> None:
    """Wherever the web server died; until the minute is over the key is in use."""
    point = 1
    while dies(shopper, body := wish(my_cart(world, apple=1)), at=point):
        assert shopper.post("", body, key="once").status_code == 409
        settle(Clock())
        wait()
        answer = shopper.post("", body, key="once")
        assert (answer.status_code, answer.json()["state"]) == (201, "confirmed"), point
        assert answer.json()["id"] == ORDER.text(only())
        assert world.accounts[only()].charges == 1
        again = shopper.post("", body, key="once")
        assert (again.content, again["Idempotent-Replayed"]) == (answer.content, "true")
        forget(world)
        point += 1
    assert point > 12


def test_order_that_nobody_has_gone_on_with_is_finished(world: World, shopper: Shopper) -> None:
    """All workers are away: the repeated request does what is left, with the same order."""
    point = 1
    while dies(shopper, body := wish(my_cart(world, apple=1)), at=point):
        wait()
        answer = shopper.post("", body, key="once")
        assert (answer.status_code, answer.json()["state"]) == (201, "confirmed"), point
        assert answer.json()["id"] == ORDER.text(only())
        assert world.accounts[only()].charges == 1
        forget(world)
        point += 1
    assert point > 12


def test_order_that_failed_is_said_to_have_failed(world: World, shopper: Shopper) -> None:
    """As the dead request would have said it; the cart is free, and not ordered unasked."""
    body = wish(my_cart(world, apple=1), "card_declined")
    assert dies(shopper, body, at=8)
    settle(Clock())
    failed = only()
    wait()
    answer = shopper.post("", body, key="once")
    assert (answer.status_code, answer.json()["code"]) == (409, "payment.declined")
    assert answer["Location"] == f"/api/v1/orders/{ORDER.text(failed)}"
    assert only() == failed


def test_order_that_was_cancelled_meanwhile_is_not_made_again(
    world: World, shopper: Shopper
) -> None:
    """Its cart is open again: with this key nothing is bought a second time without a word."""
    body = wish(my_cart(world, apple=1))
    assert dies(shopper, body, at=8)
    data = {"code": "orders.placing_timed_out", "detail": "too late"}
    signal("orders", only(), Signal(name="cancel", data=data))
    settle(Clock())
    wait()
    answer = shopper.post("", body, key="once")
    assert (answer.status_code, answer.json()["code"]) == (409, "orders.placing_timed_out")
    assert Order.objects.get().state == OrderState.CANCELLED
    assert world.standing(only()) == 0
    assert shopper.post("", body, key="another").status_code == 201


def test_order_that_a_worker_is_just_making(world: World, shopper: Shopper) -> None:
    """Before there is a row of it the repeated request is told to come again, and then has it."""
    body = wish(my_cart(world, apple=1))
    assert dies(shopper, body, at=1)
    wait()
    run("UPDATE saga SET lease_until = now() + interval '15 s', due_at = now() + interval '15 s'")
    answer = shopper.post("", body, key="once")
    assert (answer.status_code, answer["Retry-After"]) == (409, "1")
    settle(Clock())
    answer = shopper.post("", body, key="once")
    assert (answer.status_code, answer.json()["id"]) == (201, ORDER.text(only()))


def test_order_that_waits_for_payment_is_pending(world: World, shopper: Shopper) -> None:
    """A repeated request is told what the first would have been told."""
    body = wish(my_cart(world, apple=1))
    world.fail("payment.authorize", BEFORE)
    assert dies(shopper, body, at=12)
    wait()
    run("UPDATE saga SET lease_until = now() + interval '15 s', due_at = now() + interval '15 s'")
    answer = shopper.post("", body, key="once")
    assert (answer.status_code, answer.json()["state"]) == (202, "reserved")
    assert answer["Location"] == f"/api/v1/orders/{ORDER.text(only())}"


def test_cart_that_did_not_answer_is_asked_again_with_the_key(
    world: World, shopper: Shopper
) -> None:
    """The 503 says that nothing was kept: then the same key makes an order."""
    body = wish(my_cart(world, apple=1))
    world.fail("cart.begin_checkout", BEFORE)
    assert shopper.post("", body, key="once").status_code == 503
    assert shopper.post("", body, key="once").status_code == 201
    assert Order.objects.count() == 1


def test_draft_whose_answer_was_lost_is_one_draft(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request died after it had stored the draft: the repeated one answers with that."""
    actor = Actor(kind=ActorKind.STAFF, id="bob", scopes=frozenset({"orders:*"}), label="bob")
    monkeypatch.setattr(authentication, "_verifiers", [lambda token: actor])
    staff = Shopper(authorization="Bearer staff")
    first = staff.post("/drafts", DRAFT, key="once")
    run("UPDATE idempotency_record SET answered_at = NULL, body = NULL")
    wait()
    again = staff.post("/drafts", DRAFT, key="once")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert ORDER.text(only()) == first.json()["id"]
