"""A shopper who knows the shop by its API alone."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

ADDRESS = {
    "name": "Ada Lovelace",
    "line1": "1 Analytical Way",
    "city": "Springfield",
    "region": "IL",
    "postal_code": "62701",
    "country": "US",
}


class Shopper:
    """Fills a cart and orders it, as a guest. Every method returns the response's JSON."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.email = f"{uuid4().hex[:12]}@example.com"
        self.cart: dict[str, Any] = {}
        self.headers: dict[str, str] = {}

    def take_cart(self) -> dict[str, Any]:
        """A new cart; its token goes with every later request."""
        self.cart = expect(self.http.post("/api/v1/cart"), 201)
        self.headers = {"Cart-Token": self.cart["token"]}
        return self.cart

    def add(self, sku: str, quantity: int = 1) -> dict[str, Any]:
        """Put so many of ``sku`` into the cart."""
        url = f"/api/v1/cart/{self.cart['id']}/lines"
        line = {"sku": sku, "quantity": quantity}
        response = self.http.post(url, json=line, headers=self.headers)
        assert response.status_code in (200, 201), response.text
        return dict(response.json())

    def order(self, method: str = "card_ok", *, key: str | None = None) -> httpx.Response:
        """Order the cart; the response as it is, because some orders are meant to fail."""
        body = {
            "cart_id": self.cart["id"],
            "email": self.email,
            "shipping_address": ADDRESS,
            "payment_method": method,
        }
        headers = {**self.headers, "Idempotency-Key": key or uuid4().hex}
        return self.http.post("/api/v1/orders", json=body, headers=headers)

    def buy(self, sku: str, quantity: int = 1, method: str = "card_ok") -> httpx.Response:
        """Cart, line and order in one go."""
        self.take_cart()
        self.add(sku, quantity)
        return self.order(method)

    def look(self, order_id: str) -> dict[str, Any]:
        """The order as it stands."""
        return expect(self.http.get(f"/api/v1/orders/{order_id}", headers=self.headers), 200)

    def payments(self, order_id: str) -> list[dict[str, Any]]:
        """The order's payments."""
        url = f"/api/v1/payment/payments?order_id={order_id}"
        return list(expect(self.http.get(url, headers=self.headers), 200)["data"])

    def messages(self, order_id: str) -> list[dict[str, Any]]:
        """The messages about the order."""
        url = f"/api/v1/notification/messages?order_id={order_id}"
        return list(expect(self.http.get(url, headers=self.headers), 200)["data"])


def expect(response: httpx.Response, status: int) -> dict[str, Any]:
    """The response's JSON; AssertionError with the body when the status is another."""
    assert response.status_code == status, f"{response.request.url}: {response.text}"
    return dict(response.json())
