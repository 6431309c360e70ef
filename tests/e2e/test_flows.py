"""What becomes of orders after they are placed, and when the process that places them dies."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests import plain
from tests.e2e.running import READY_WITHIN, RunningShop
from tests.e2e.shopper import Shopper, expect
from tests.e2e.staff import Staff, charges_of, mail_to, sign_in
from tests.ports import free_port
from tests.waiting import eventually

REST_WITHIN = 60.0  # seconds; the promise for every order, whatever dies
# Every call that placing makes is number 1 to 4: cart and shipping, stock, payment, cart.
CRASHES = (
    "saga.started:1",
    *(f"saga.after_step:{step}" for step in range(1, 5)),
    "saga.before_commit:2",
    "saga.committed:1",
    "saga.committed:3",
)


@pytest.fixture(scope="module")
def staff(shop: RunningShop) -> Staff:
    """An operator of the shop."""
    return Staff(shop)


def in_state(shopper: Shopper, order_id: str, *states: str) -> dict[str, Any]:
    """The order as soon as it is in one of ``states``."""

    def look() -> dict[str, Any] | None:
        order = shopper.look(order_id)
        return order if order["state"] in states else None

    return dict(eventually(look, what=f"{' or '.join(states)} of {order_id}"))


def bought(shopper: Shopper, sku: str, quantity: int) -> dict[str, Any]:
    """An order that is confirmed and paid."""
    return in_state(shopper, expect(shopper.buy(sku, quantity), 201)["id"], "captured")


def ask(shopper: Shopper, path: str, body: dict[str, Any]) -> httpx.Response:
    """What the shopper asks of an order, once."""
    headers = {**shopper.headers, "Idempotency-Key": uuid4().hex}
    return shopper.http.post(f"/api/v1/orders/{path}", json=body, headers=headers)


def money(shop: RunningShop, order: dict[str, Any]) -> dict[str, int]:
    """What the provider holds of the order's one charge, and what it gave back."""
    (charge,) = charges_of(shop, [order["number"]])
    return {
        "held": charge["authorized"] - charge["captured"] - charge["voided"],
        "taken": charge["captured"] - charge["refunded"],
        "back": charge["voided"] + charge["refunded"],
    }


@pytest.mark.parametrize("paid", [False, True], ids=["at once", "when paid"])
def test_cancelled_order_gives_money_and_stock_back(
    shop: RunningShop, shopper: Shopper, staff: Staff, paid: bool
) -> None:
    """Voided or refunded at the provider, on sale again, never sent, and a mail says so."""
    before = staff.stock("E2E-9")
    order = bought(shopper, "E2E-9", 3) if paid else expect(shopper.buy("E2E-9", 3), 201)
    assert staff.stock("E2E-9")["available"] == before["available"] - 3
    answer = ask(shopper, f"{order['id']}/cancel", {"reason": "changed my mind"})
    assert answer.status_code in (200, 202), answer.text
    order = in_state(shopper, order["id"], "cancelled")
    given_back = {"held": 0, "taken": 0, "back": order["total"]["amount"]}
    eventually(lambda: money(shop, order) == given_back, what="the money's return")
    eventually(lambda: staff.stock("E2E-9") == before, what="the stock's return")
    text = mail_to(shop, shopper.email, f"Order {order['number']} is cancelled")
    assert ("go back to the way you paid" in text) == (order["payment_state"] == "refunded")
    states = {shipment["state"] for shipment in staff.shipments(order["id"])}
    assert states <= {"cancelled"}


def test_order_is_sent_delivered_and_comes_back(
    shop: RunningShop, shopper: Shopper, staff: Staff
) -> None:
    """Shelf, parcel, tracking mail, delivery, return: money and goods are where they belong."""
    before = staff.stock("E2E-10")
    order = bought(shopper, "E2E-10", 2)
    shipment = staff.shipment(order["id"])
    path = f"/shipping/shipments/{shipment['id']}"
    staff.act(f"{path}/dispatch", {"tracking_number": "TRACK-42"})
    too_late = ask(shopper, f"{order['id']}/cancel", {})
    assert (too_late.status_code, too_late.json()["code"]) == (409, "orders.not_cancellable")
    in_state(shopper, order["id"], "shipped")
    assert "TRACK-42" in mail_to(shop, shopper.email, f"Order {order['number']} is on its way")
    sent = before | {"on_hand": before["on_hand"] - 2, "available": before["available"] - 2}
    eventually(lambda: _counts(staff, "E2E-10") == _only(sent), what="the shelf's emptying")
    staff.act(f"{path}/deliver")
    in_state(shopper, order["id"], "delivered")

    lines = [{"sku": "E2E-10", "quantity": 2}]
    asked = expect(ask(shopper, f"{order['id']}/returns", {"lines": lines}), 201)
    staff.act(f"/orders/{order['id']}/returns/{asked['id']}/receive", {})
    order = in_state(shopper, order["id"], "refunded")
    goods = order["lines"][0]["total"]["amount"]
    assert order["refunded"]["amount"] in (0, goods)  # payment's news may still be on its way
    assert money(shop, order)["back"] == goods
    eventually(lambda: _counts(staff, "E2E-10") == _only(before), what="the shelf's filling")
    mail_to(shop, shopper.email, f"return for order {order['number']}")
    eventually(
        lambda: shopper.look(order["id"])["refunded"]["amount"] == goods, what="the order's news"
    )


def _counts(staff: Staff, sku: str) -> dict[str, int]:
    return _only(staff.stock(sku))


def _only(stock: dict[str, int]) -> dict[str, int]:
    return {name: stock[name] for name in ("on_hand", "reserved", "allocated", "available")}


def test_partly_cancelled_order_gives_only_that_part_back(
    shop: RunningShop, shopper: Shopper, staff: Staff
) -> None:
    """One of three: a third of the line's price, one piece on sale, two in the parcel."""
    before = staff.stock("E2E-11")["available"]
    order = bought(shopper, "E2E-11", 3)
    lines = [{"sku": "E2E-11", "quantity": 1}]
    answer = ask(shopper, f"{order['id']}/cancel", {"lines": lines})
    assert answer.status_code in (200, 202), answer.text
    part = order["lines"][0]["total"]["amount"] // 3
    eventually(lambda: money(shop, order)["back"] == part, what="the refund")
    mail_to(shop, shopper.email, f"Part of order {order['number']} is cancelled")
    order = eventually(
        lambda: (
            (found := shopper.look(order["id"]))["payment_state"] == "partially_refunded" and found
        ),
        what="the order's news",
    )
    assert (order["state"], order["lines"][0]["cancelled"]) == ("captured", 1)
    assert order["refunded"]["amount"] == part
    assert staff.stock("E2E-11")["available"] == before - 2
    assert [line["quantity"] for line in staff.shipment(order["id"])["lines"]] == [2]


def test_guests_order_is_the_customers_who_verifies_the_address(
    shop: RunningShop, shopper: Shopper
) -> None:
    """Register with the guest's address and follow the mailed link: the order is there."""
    order = bought(shopper, "E2E-1", 1)
    password = "correct horse battery staple"
    account = {"email": shopper.email.upper(), "password": password, "full_name": "Ada"}
    expect(shop.http.post("/api/v1/accounts/register", json=account), 201)
    customer = sign_in(shop.http, shopper.email, password)
    url = f"/api/v1/orders/{order['id']}"
    assert shop.http.get(url, headers=customer).status_code == 404

    text = mail_to(shop, shopper.email, "Confirm your e-mail address")
    address = re.findall(r"https?://\S+", text)[0]
    assert address.startswith(f"http://localhost:{shop.ports['PROXY']}/")
    link = urlsplit(address)
    page = shop.http.get(f"{link.path}?{link.query}")
    (token,) = re.findall(r'name="token" value="([^"]+)"', page.text)
    assert shop.http.get(url, headers=customer).status_code == 404  # looking proves nothing
    assert shop.http.post(link.path, data={"token": token}).status_code == 200

    eventually(
        lambda: shop.http.get(url, headers=customer).status_code == 200, what="the order's claim"
    )
    own = expect(shop.http.get("/api/v1/orders", headers=customer), 200)["data"]
    assert [each["id"] for each in own] == [order["id"]]
    (payment,) = expect(shop.http.get(f"{url}/payments", headers=customer), 200)["data"]
    assert payment["captured"] == order["total"]
    messages = expect(shop.http.get(f"{url}/messages", headers=customer), 200)["data"]
    assert [each["template"] for each in messages] == ["order_confirmed"]
    assert shopper.look(order["id"])["id"] == order["id"]


@contextmanager
def webs_that_die(shop: RunningShop) -> Iterator[dict[str, str]]:
    """A web process for each crash point, beside the shop's own; point to its address."""
    usual = shop.declared["web"]
    bases: dict[str, str] = {}
    for point in CRASHES:
        port, name = free_port(), f"web that dies at {point}"
        command = [*usual.command]
        command[command.index("--port") + 1] = str(port)
        command[command.index("--workers") + 1] = "1"
        shop.declared[name] = replace(usual, name=name, command=command, ports={"WEB_PORT": port})
        shop.start(name, {"FICUS_CRASH_AT": point})
        bases[point] = f"http://127.0.0.1:{port}"
    try:
        yield bases
    finally:
        for point in CRASHES:
            name = f"web that dies at {point}"
            shop.stop(name)
            del shop.declared[name]


def order_until_it_dies(shop: RunningShop, point: str, base: str) -> Shopper:
    """Order from a web process that dies of it; the shopper hears nothing."""
    eventually(lambda: _answers(base), within=READY_WITHIN, what=f"the start of {base}")
    with plain.client(base_url=shop.base, timeout=40) as sound:
        shopper = Shopper(sound)
        shopper.take_cart()
        shopper.add("E2E-12", 2)
        with plain.client(base_url=base, timeout=20) as doomed:
            shopper.http = doomed
            with pytest.raises(httpx.HTTPError):
                shopper.order()
    shopper.http = shop.http
    process = shop.running[f"web that dies at {point}"]
    try:
        process.wait(READY_WITHIN)
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"the web process did not die at {point}") from error
    return shopper


def _answers(base: str) -> bool:
    try:
        return plain.get(f"{base}/livez", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_web_process_that_dies_anywhere_in_an_order_delays_it_only(
    shop: RunningShop, staff: Staff
) -> None:
    """The order comes to stand without its shopper: one for the cart, charged once, in stock."""
    before = staff.stock("E2E-12")
    with webs_that_die(shop) as bases, ThreadPoolExecutor(len(bases)) as pool:
        shoppers = list(pool.map(lambda item: order_until_it_dies(shop, *item), bases.items()))

    def orders() -> list[tuple[Any, ...]]:
        return shop.query(
            "SELECT number, state, total FROM orders.orders_order WHERE email = ANY(%s)",
            [shopper.email for shopper in shoppers],
        )

    def at_rest() -> bool:
        return [state for _, state, _ in orders()] == ["captured"] * len(CRASHES)

    eventually(at_rest, within=REST_WITHIN, what=f"rest of {orders()}")
    assert {shopper.email: len(_own(shop, shopper)) for shopper in shoppers} == {
        shopper.email: 1 for shopper in shoppers
    }
    charges = charges_of(shop, [number for number, _, _ in orders()])
    taken = [(each["number"], each["status"], each["captured"]) for each in charges]
    assert sorted(taken) == sorted(orders())
    sold = 2 * len(CRASHES)
    eventually(
        lambda: (
            _counts(staff, "E2E-12")
            == _only(before)
            | {
                "allocated": before["allocated"] + sold,
                "available": before["available"] - sold,
            }
        ),
        what="the stock's allocation",
    )
    for shopper in shoppers:
        again = shopper.order()
        assert (again.status_code, again.json()["state"]) == (200, "captured"), again.text


def _own(shop: RunningShop, shopper: Shopper) -> list[dict[str, Any]]:
    """The orders that the shopper sees."""
    return list(expect(shop.http.get("/api/v1/orders", headers=shopper.headers), 200)["data"])
