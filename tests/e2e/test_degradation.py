"""What still works while a service is away, and what happens by itself when it is back."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from modules.platform.databases import embedded
from modules.platform.rest.identifiers import ids
from tests import plain
from tests.e2e.conftest import GOODS, write_goods
from tests.e2e.crowd import Crowd
from tests.e2e.parted import PartedShop
from tests.e2e.settling import mails, settlement
from tests.e2e.staff import EMAIL, PASSWORD
from tests.e2e.town import Town
from tests.waiting import eventually

SKUS = [f"E2E-{number}" for number in range(1, GOODS + 1)]
REST_WITHIN = 60.0  # seconds; the promise, as in tests.benchmarks.bench_degradation


@pytest.fixture(scope="module")
def parted() -> Iterator[PartedShop]:
    """A shop whose payment and notification are other hosts, with a broker of its own."""
    home = Path(tempfile.mkdtemp(prefix="ficus-parted-"))
    home.chmod(0o755)
    redis = embedded.ensure_redis(home / "broker").url
    try:
        with PartedShop(home, database_url=settings.DATABASE_URL, redis_url=redis) as shop:
            write_goods(home / "goods.csv")
            shop.manage("import_catalog", str(home / "goods.csv"))
            (home / "staff-password").write_text(PASSWORD)
            password = str(home / "staff-password")
            shop.manage("create_admin", "--email", EMAIL, "--password-file", password)
            yield shop
    finally:
        embedded.stop_redis(home / "broker")
        shutil.rmtree(home, ignore_errors=True)


def assert_settled(shop: PartedShop, crowd: Crowd) -> None:
    """Before long every order that was taken is paid for, and the bank's books say the same."""
    taken = sum(seen.status in (201, 202) for seen in crowd.answers("order"))
    until = time.monotonic() + REST_WITHIN
    while True:
        found = settlement(shop, crowd.domain)
        paid = found.states["captured"]
        if paid == found.orders == taken and not found.charged_wrongly:
            break
        assert time.monotonic() < until, f"{found} of {taken}; {stuck(shop)}"
        time.sleep(0.5)
    assert not found.charged_twice


def stuck(shop: PartedShop) -> list[object]:
    """What is under way on the bus, parked, or to be done by a saga."""
    sent = "SELECT consumer, part, acked, sent, sent_at, resends FROM {}.bus_subscription "
    sent += "WHERE sent_at IS NOT NULL"
    sagas = "SELECT phase, due_at, steps::text FROM orders.saga WHERE status <> 'done' LIMIT 5"
    attempts = "SELECT * FROM payment.payment_attempt ORDER BY 1 DESC LIMIT 3"
    return [
        shop.query(sent.format("orders")),
        shop.query(sagas),
        shop.query("SELECT type, state, error FROM orders.bus_parked"),
        shop.query_service("payment", sent.format("payment")),
        shop.query_service("payment", "SELECT type, state, error FROM payment.bus_parked"),
        shop.query_service("payment", attempts),
    ]


@pytest.mark.timeout(600)  # it starts the hosts
def test_orders_wait_for_payment_and_finish_by_themselves(parted: PartedShop) -> None:
    """Its host is killed under load: everything else works, orders are 202 and are paid later."""
    with Crowd(parted.base, SKUS, buyers=2, pause=0.5) as crowd:
        eventually(lambda: len(crowd.answers("order")) > 3, what="some orders")
        parted.kill_host("payment")
        killed = time.monotonic()
        waiting = lambda: [  # noqa: E731
            seen for seen in crowd.answers("order", since=killed) if seen.status == 202
        ]
        try:
            eventually(lambda: len(waiting()) >= 6, what="orders that wait")
            _assert_seen_by_staff(parted, waiting()[-1].body["id"])
            opened = Town(parted).counted("monolith", "ficus_rpc_breaker_opened_total")
        finally:
            parted.start_host("payment")
        back = time.monotonic()
        paid = lambda: any(  # noqa: E731
            seen.status == 201 for seen in crowd.answers("order", since=back)
        )
        eventually(paid, within=60, what="an order that is paid at once")
    assert {seen.status for seen in crowd.answers("browse", "cart")} <= {200, 201}
    assert {seen.status for seen in crowd.answers("order")} == {201, 202}
    assert all(seen.headers["Location"].startswith("/api/v1/orders/ord_") for seen in waiting())
    assert {seen.headers["Retry-After"] for seen in waiting()} <= {"1", "5"}
    assert opened > 0
    assert_settled(parted, crowd)
    _assert_told_once(parted, crowd)


def test_nobody_notices_that_notification_is_away(parted: PartedShop) -> None:
    """Orders are placed and paid as ever, and every mail goes out once when it is back."""
    parted.kill_host("notification")
    with Crowd(parted.base, SKUS, buyers=2, orders=8) as crowd:
        crowd.wait()
    assert {seen.status for seen in crowd.answers()} <= {200, 201, 202}
    assert_settled(parted, crowd)
    assert not mails(parted, crowd.domain)
    parted.start_host("notification")
    _assert_told_once(parted, crowd)


def test_payment_killed_again_and_again(parted: PartedShop) -> None:
    """Five times during 50 orders: each is at rest in time, and charged once."""
    with Crowd(parted.base, SKUS, buyers=2, orders=50, pause=0.1) as crowd:
        for _ in range(5):
            time.sleep(1.5)
            parted.kill_host("payment")
            time.sleep(0.3)
            parted.start_host("payment")
        crowd.wait()
    assert {seen.status for seen in crowd.answers("order")} <= {201, 202}
    assert_settled(parted, crowd)


def _assert_told_once(shop: PartedShop, crowd: Crowd) -> None:
    """Each shopper has one mail that confirms the order, and no other."""
    taken = sum(seen.status in (201, 202) for seen in crowd.answers("order"))
    told = lambda: sum(mails(shop, crowd.domain).values()) >= taken  # noqa: E731
    eventually(told, within=REST_WITHIN, what="all mails")
    found = mails(shop, crowd.domain)
    assert (len(found), set(found.values())) == (taken, {1}), found


def _assert_seen_by_staff(shop: PartedShop, order_id: str) -> None:
    """The order's page says what it waits for, why, and that payment cannot be asked."""
    with plain.client(base_url=shop.base, timeout=30, follow_redirects=True) as staff:
        page = staff.get("/admin/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None
        form = {"csrfmiddlewaretoken": token[1], "username": EMAIL, "password": PASSWORD}
        staff.post("/admin/login/", data=form, headers={"Referer": f"{shop.base}/admin/login/"})
        page = staff.get(f"/admin/orders/order/{ids('ord').parse(order_id)}/change/").text
    assert "authorize pending" in page
    assert "payment_awaited" in page
    assert "rpc." in page
