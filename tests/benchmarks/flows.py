"""What a shopper asks of a shop, request by request; the same steps for both shops.

A flow talks through ``send``, so that a load generator can time it and a test client can count
its queries. It raises ``Refused`` when the shop did not do what was asked.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from tests.benchmarks.goods import sku

# Step, method, path, body, header lines -> status, body.
Send = Callable[[str, str, str, bytes, str], tuple[int, bytes]]
Flow = Callable[[Send, random.Random], None]
PAGE = 20


class Refused(Exception):
    """The shop answered with something else than what the flow needs."""

    def __init__(self, step: str, status: int, body: bytes) -> None:
        super().__init__(f"{step}: {status} {body[:300].decode(errors='replace')}")


class Shop(Protocol):
    """What can be asked of a shop."""

    def order(self, send: Send, choice: random.Random) -> None:
        """Basket, one or two lines, order."""
        ...

    def browse(self, send: Send, choice: random.Random) -> None:
        """One page of products."""
        ...


def _ask(send: Send, step: str, request: tuple[str, str, Any], headers: str, ok: int) -> Any:
    method, path, body = request
    data = b"" if body is None else json.dumps(body).encode()
    status, answer = send(step, method, path, data, headers)
    if status != ok:
        raise Refused(step, status, answer)
    return json.loads(answer) if answer else None


class Ficus:
    """Ours: an anonymous cart, paid by card, confirmed before the answer."""

    def __init__(self, goods: int) -> None:
        self._goods = goods

    def order(self, send: Send, choice: random.Random) -> None:
        cart = _ask(send, "basket", ("POST", "/api/v1/cart", {}), "", 201)
        token = f"Cart-Token: {cart['token']}\r\n"
        for _ in range(choice.randint(1, 2)):
            line = {"sku": sku(choice.randrange(self._goods)), "quantity": choice.randint(1, 3)}
            path = f"/api/v1/cart/{cart['id']}/lines"
            _ask(send, "line", ("POST", path, line), token, 201)
        key = f"{token}Idempotency-Key: {uuid.UUID(int=choice.getrandbits(128))}\r\n"
        placed = _ask(send, "order", ("POST", "/api/v1/orders", self._order(cart)), key, 201)
        if placed["state"] not in ("confirmed", "captured"):
            raise Refused("order", 201, json.dumps(placed).encode())

    def browse(self, send: Send, choice: random.Random) -> None:
        path = f"/api/v1/catalog/products?limit={PAGE}"
        page = _ask(send, "list", ("GET", path, None), "", 200)
        if len(page["data"]) != PAGE:
            raise Refused("list", 200, json.dumps(page).encode())

    def _order(self, cart: dict[str, Any]) -> dict[str, Any]:
        return {
            "cart_id": cart["id"],
            "email": "buyer@example.com",
            "shipping_address": {
                "name": "Pat Buyer",
                "line1": "1 Main Street",
                "city": "Springfield",
                "postal_code": "62701",
                "country": "US",
            },
            "payment_method": "card_ok",
        }


class Oscar:
    """The peer: an anonymous basket in a session of its own, no payment."""

    def __init__(self, goods: int) -> None:
        self._goods = goods

    def order(self, send: Send, choice: random.Random) -> None:
        session = f"Session-Id: SID:ANON:127.0.0.1:{choice.getrandbits(96):x}\r\n"
        basket = _ask(send, "basket", ("GET", "/api/basket/", None), session, 200)
        for _ in range(choice.randint(1, 2)):
            product = f"http://127.0.0.1/api/products/{choice.randrange(self._goods) + 1}/"
            line = {"url": product, "quantity": choice.randint(1, 3)}
            _ask(send, "line", ("POST", "/api/basket/add-product/", line), session, 200)
        body = self._checkout(basket["url"])
        placed = _ask(send, "order", ("POST", "/api/checkout/", body), session, 200)
        if not placed["number"]:
            raise Refused("order", 200, json.dumps(placed).encode())

    def browse(self, send: Send, choice: random.Random) -> None:
        path = f"/api/products/?limit={PAGE}"
        page = _ask(send, "list", ("GET", path, None), "", 200)
        if len(page["results"]) != PAGE:
            raise Refused("list", 200, json.dumps(page).encode())

    def _checkout(self, basket: str) -> dict[str, Any]:
        return {
            "basket": basket,
            "guest_email": "buyer@example.com",
            "shipping_address": {
                "first_name": "Pat",
                "last_name": "Buyer",
                "line1": "1 Main Street",
                "line4": "Springfield",
                "postcode": "62701",
                "country": "http://127.0.0.1/api/countries/US/",
            },
        }


SHOPS: dict[str, Callable[[int], Shop]] = {"ficus": Ficus, "oscar": Oscar}
