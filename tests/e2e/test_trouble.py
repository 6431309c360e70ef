"""What must hold when payments fail, buyers race and processes die."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from uuid import uuid4

import httpx
import pytest

from tests import plain
from tests.e2e.running import RunningShop
from tests.e2e.settling import mails
from tests.e2e.shopper import Shopper, expect
from tests.waiting import eventually

AT_REST = ("confirmed", "captured", "cancelled")
REST_WITHIN = 60.0  # seconds; the promise for every order, whatever dies
HUNG = 12.0  # seconds until many are held up
# So much longer than usual may a mail or a page take on a machine that has other things to do: in
# seconds, and in times of what is usual there. Who is held up waits 13 s and more for a mail.
HELD_UP, SLOWED = 3.0, 5.0


def charges(shop: RunningShop) -> list[dict[str, object]]:
    """The stand-in provider's own ledger: what really happened to money."""
    url = f"http://127.0.0.1:{shop.ports['STANDIN']}/ledger"
    return list(plain.get(url, timeout=10).json()["charges"])


def charges_of(shop: RunningShop, order_id: str) -> list[dict[str, object]]:
    """Those of one order; others may still be settling what an earlier test has left."""
    return [charge for charge in charges(shop) if charge["order_id"] == order_id]


def set_stock(shop: RunningShop, skus: list[str], on_hand: int) -> None:
    """Let an import say what is on hand."""
    path = shop.home / f"stock-{uuid4().hex[:8]}.csv"
    rows = [f"{sku},Hot thing {sku},Rare.,Food > Rare,Orchard,5.00,USD,{on_hand}\n" for sku in skus]
    path.write_text("sku,name,description,category,brand,price,currency,stock\n" + "".join(rows))
    shop.manage("import_catalog", str(path))


def stock(shop: RunningShop, sku: str) -> dict[str, int]:
    """What the API says is available of ``sku``."""
    return expect(shop.http.get(f"/api/v1/inventory/stock/{sku}"), 200)


def mails_a_newcomer(shop: RunningShop) -> float:
    """Seconds from a registration until its mail is there."""
    domain = f"{uuid4().hex[:8]}.test"
    account = {"email": f"{uuid4().hex[:12]}@{domain}", "password": uuid4().hex}
    began = time.monotonic()
    expect(shop.http.post("/api/v1/accounts/register", json=account), 201)
    eventually(lambda: mails(shop, domain), what="a newcomer's mail", within=REST_WITHIN)
    return time.monotonic() - began


def shows_goods(shop: RunningShop) -> float:
    """Seconds that a page of products takes."""
    began = time.monotonic()
    expect(shop.http.get("/api/v1/catalog/products"), 200)
    return time.monotonic() - began


@pytest.mark.parametrize("rounds", [10])
def test_sixteen_buyers_never_oversell(shop: RunningShop, rounds: int) -> None:
    """16 buyers want 2 each of 20, ten times: 10 get them, 6 are told why, nothing stays held."""
    skus = [f"HOT-{number}" for number in range(rounds)]
    set_stock(shop, skus, 20)
    for sku in skus:

        def buy(_: int, sku: str = sku) -> httpx.Response:
            with plain.client(base_url=shop.base, timeout=40) as http:
                return Shopper(http).buy(sku, 2)

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(buy, range(16)))
        sold = [answer for answer in answers if answer.status_code in (201, 202)]
        refused = [answer for answer in answers if answer.status_code == 409]
        assert (len(sold), len(refused)) == (10, 6), [a.text for a in answers]
        assert {answer.json()["code"] for answer in refused} == {"inventory.insufficient_stock"}
        held = shop.query(
            "SELECT sum(on_hand), sum(reserved), sum(allocated) FROM inventory.inventory_stock "
            "WHERE sku = %s",
            sku,
        )[0]
        assert stock(shop, sku)["available"] == 0
        assert held[0] == 20
        assert held[1] + held[2] == 20


def test_answer_lost_after_the_charge(shop: RunningShop, shopper: Shopper) -> None:
    """card_timeout: one charge at the provider, and the order is paid for or the money is back."""
    answer = shopper.buy("E2E-6", method="card_timeout")
    assert answer.status_code in (201, 202, 409), answer.text
    eventually(
        lambda: _is_settled(shop, shopper.email), within=REST_WITHIN, what="the order's rest"
    )
    [(order_id, state, _)] = _orders_of(shop, shopper.email)
    stands = state in ("confirmed", "captured")

    def money_follows() -> bool:
        [made] = charges_of(shop, order_id)
        return (made["status"] in ("authorized", "captured")) == stands

    eventually(money_follows, within=REST_WITHIN, what=f"money of an order that is {state}")


def test_card_that_needs_the_bank(shop: RunningShop, shopper: Shopper) -> None:
    """card_requires_action: 202 with an address; confirming there confirms the order."""
    answer = shopper.buy("E2E-7", method="card_requires_action")
    assert answer.status_code == 202, answer.text
    order = answer.json()
    assert order["next_action"].startswith("http")
    plain.post(order["next_action"], timeout=10).raise_for_status()
    eventually(
        lambda: shopper.look(order["id"])["state"] in ("confirmed", "captured"),
        within=REST_WITHIN,
        what="confirmation",
    )


def test_provider_that_hangs_holds_up_nothing_else(shop: RunningShop) -> None:
    """Everybody who pays waits for it. Mails go out, goods are shown, and later all are settled."""
    emails: list[str] = []

    def buy(_: int) -> int:
        with plain.client(base_url=shop.base, timeout=40) as http:
            somebody = Shopper(http)
            emails.append(somebody.email)
            return somebody.buy("E2E-9").status_code

    mailed, shown = mails_a_newcomer(shop), shows_goods(shop)
    with ThreadPoolExecutor(4) as pool:
        with shop.hanging("standin"):
            work = [pool.submit(buy, number) for number in range(16)]
            wait(work, timeout=HUNG)  # by now tasks for most of them have been at the provider
            assert mails_a_newcomer(shop) < HELD_UP + SLOWED * mailed
            assert shows_goods(shop) < HELD_UP + SLOWED * shown
        assert {each.result() for each in work} <= {201, 202}
    for email in emails:
        eventually(
            lambda email=email: _is_settled(shop, email),
            within=REST_WITHIN,
            what=f"rest of {email}",
        )
    _assert_money_matches(shop, emails)


@pytest.mark.parametrize(
    "victim", ["web", "worker", "outside", "relay", "standin", "beat", "proxy"]
)
def test_killed_process_loses_and_doubles_nothing(shop: RunningShop, victim: str) -> None:
    """SIGKILL of any process while 40 orders are placed: all come to rest, none charged twice."""
    emails: list[str] = []

    def buy(_: int) -> None:
        with plain.client(base_url=shop.base, timeout=40) as http:
            somebody = Shopper(http)
            emails.append(somebody.email)
            try:
                somebody.buy("E2E-8")
            except (httpx.HTTPError, AssertionError):
                return  # what the shopper sees of a crash; the order must come to rest anyway

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(buy, number) for number in range(40)]
        time.sleep(0.5)
        shop.kill(victim)
        time.sleep(0.5)
        shop.start(victim)
        for each in work:
            each.result()
    shop.wait_ready()
    for email in emails:
        eventually(
            lambda email=email: _is_settled(shop, email),
            within=REST_WITHIN,
            what=f"rest of {email} after {victim} died",
        )
    _assert_money_matches(shop, emails)


def _orders_of(shop: RunningShop, email: str) -> list[tuple[str, str, int]]:
    """id, state and total of the orders of ``email``."""
    return shop.query(
        "SELECT id::text, state, total FROM orders.orders_order WHERE email = %s", email
    )


def _is_settled(shop: RunningShop, email: str) -> bool:
    """No order of ``email`` is under way, and none has money in an unsettled state."""
    orders = _orders_of(shop, email)
    return all(state in AT_REST for _, state, _ in orders)


def _assert_money_matches(shop: RunningShop, emails: list[str]) -> None:
    """One standing charge for each order that stands, of its amount, and none else."""
    orders = [order for email in emails for order in _orders_of(shop, email)]
    ours = {order_id for order_id, _, _ in orders}
    want = {
        order_id: [total] for order_id, state, total in orders if state in ("confirmed", "captured")
    }

    def standing_charges() -> dict[str, list[object]]:
        found: dict[str, list[object]] = {}
        for charge in charges(shop):
            if charge["order_id"] in ours and charge["status"] in ("authorized", "captured"):
                found.setdefault(str(charge["order_id"]), []).append(charge["amount"])
        return found

    eventually(
        lambda: standing_charges() == want, within=REST_WITHIN, what="equality of the two ledgers"
    )
    known = {order_id for (order_id,) in shop.query("SELECT id::text FROM orders.orders_order")}
    assert {str(charge["order_id"]) for charge in charges(shop)} <= known
