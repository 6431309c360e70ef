"""A shopper's whole way through the real processes."""

from __future__ import annotations

from email import message_from_bytes
from pathlib import Path

from tests.e2e.running import RunningShop
from tests.e2e.shopper import Shopper, expect
from tests.waiting import eventually


def mails_to(home: Path, address: str) -> list[str]:
    """Subjects of the mails in the local mailbox to ``address``."""
    files = [file for file in (home / "mailbox").rglob("*") if file.is_file()]
    mails = [message_from_bytes(file.read_bytes()) for file in files]
    return [str(mail["Subject"]) for mail in mails if address in str(mail["To"])]


def test_browse_cart_order_pay_mail(shop: RunningShop, shopper: Shopper) -> None:
    """Browse by category, fill a cart, order: it is confirmed, captured, and one mail is there."""
    pears = expect(shop.http.get("/api/v1/catalog/products?category=food-fruit-pears"), 200)["data"]
    assert pears
    assert all("Pear" in pear["name"] for pear in pears)
    shopper.take_cart()
    shopper.add("E2E-2", 2)
    shopper.add("E2E-3")
    order = expect(shopper.order(), 201)
    assert order["state"] in ("confirmed", "captured")
    order = eventually(
        lambda: (found := shopper.look(order["id"]))["state"] == "captured" and found,
        what="capture",
    )
    (payment,) = shopper.payments(order["id"])
    assert payment["state"] == "captured"
    assert payment["captured"] == order["total"]
    eventually(lambda: mails_to(shop.home, shopper.email), what="the confirmation mail")
    assert len(mails_to(shop.home, shopper.email)) == 1
    (message,) = shopper.messages(order["id"])
    assert message["state"] == "sent"


def test_nobody_else_sees_the_order(shop: RunningShop, shopper: Shopper) -> None:
    """Without the cart's token the order is not there."""
    order = expect(shopper.buy("E2E-1"), 201)
    assert shop.http.get(f"/api/v1/orders/{order['id']}").status_code == 401
    stranger = {"Cart-Token": "somebody else's"}
    response = shop.http.get(f"/api/v1/orders/{order['id']}", headers=stranger)
    assert response.status_code == 404


def test_declined_card_says_so_and_the_cart_can_be_tried_again(shopper: Shopper) -> None:
    """A declined payment is a problem with its reason; the same cart then buys with a good card."""
    shopper.take_cart()
    shopper.add("E2E-4")
    refused = shopper.order("card_declined")
    assert (refused.status_code, refused.json()["code"]) == (409, "payment.declined")
    assert expect(shopper.order("card_ok"), 201)["state"] in ("confirmed", "captured")


def test_same_key_same_order(shopper: Shopper) -> None:
    """Ordering again with the same key gives the same answer, byte for byte."""
    shopper.take_cart()
    shopper.add("E2E-5")
    first = shopper.order(key="the-one")
    again = shopper.order(key="the-one")
    assert (first.status_code, first.content) == (201, again.content)
    assert again.headers["Idempotent-Replayed"] == "true"
