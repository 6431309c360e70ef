"""Somebody who works in the shop, and what can be read from its books and its mailbox."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests import plain
from tests.e2e.running import RunningShop
from tests.e2e.shopper import expect
from tests.waiting import eventually

EMAIL, PASSWORD = "staff@shop.example", "a quiet corner of the warehouse"


class Staff:
    """An operator with an access token. Every method returns the response's JSON."""

    def __init__(self, shop: RunningShop) -> None:
        self.http = shop.http
        secret = shop.home / "staff-password"
        secret.write_text(PASSWORD)
        shop.manage("create_admin", "--email", EMAIL, "--password-file", str(secret))
        self.headers = sign_in(shop.http, EMAIL, PASSWORD)

    def stock(self, sku: str) -> dict[str, int]:
        """``on_hand``, ``reserved``, ``allocated`` and ``available`` of the SKU."""
        url = f"/api/v1/inventory/stock/{sku}"
        return expect(self.http.get(url, headers=self.headers), 200)

    def shipments(self, order_id: str) -> list[dict[str, Any]]:
        """The order's shipments."""
        url = f"/api/v1/shipping/shipments?order_id={order_id}"
        return list(expect(self.http.get(url, headers=self.headers), 200)["data"])

    def shipment(self, order_id: str) -> dict[str, Any]:
        """The order's one shipment, as soon as it is there."""
        (found,) = eventually(lambda: self.shipments(order_id), what="the shipment")
        return dict(found)

    def act(self, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
        """POST something that counts once."""
        headers = {**self.headers, "Idempotency-Key": uuid4().hex}
        return expect(self.http.post(f"/api/v1{path}", json=body, headers=headers), status)


def sign_in(http: httpx.Client, email: str, password: str) -> dict[str, str]:
    """The headers of somebody who logged in."""
    credentials = {"email": email, "password": password}
    tokens = expect(http.post("/api/v1/accounts/token", json=credentials), 200)
    return {"Authorization": f"Bearer {tokens['access']}"}


def charges_of(shop: RunningShop, numbers: list[str]) -> list[dict[str, Any]]:
    """The provider's own records of the orders' charges: what really happened to the money."""
    rows = shop.query(
        "SELECT id::text, number FROM orders.orders_order WHERE number = ANY(%s)", numbers
    )
    known = dict(rows)
    ledger = plain.get(f"http://127.0.0.1:{shop.ports['STANDIN']}/ledger", timeout=10).json()
    return [
        charge | {"number": known[charge["order_id"]]}
        for charge in ledger["charges"]
        if charge["order_id"] in known
    ]


def mail_to(shop: RunningShop, address: str, subject: str) -> str:
    """The text of the one mail to ``address`` whose subject has ``subject``, once it is there."""
    found = eventually(
        lambda: [m for m in _mails(shop.home, address) if subject in str(m["Subject"])],
        what=f"a mail {subject!r} to {address}",
    )
    assert len(found) == 1, [str(mail["Subject"]) for mail in found]
    part = found[0].get_body(("plain",))
    return "" if part is None else str(part.get_content())


def _mails(home: Path, address: str) -> list[EmailMessage]:
    read = []
    for file in (home / "mailbox").glob("new/*"):
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        if address in str(mail["To"]):
            read.append(mail)
    return read
