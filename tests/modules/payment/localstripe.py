"""Starts localstripe (Stripe's protocol) as a real process on a free port."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests import plain
from tests.ports import free_port

KEY = "sk_test_ficus"
CARDS = {
    "ok": "4242424242424242",
    "declined": "4000000000000341",
    "action": "4000002500003155",
}


class LocalStripe:
    """A running localstripe."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[LocalStripe]:
        """One on a free port, with nothing in it."""
        port = free_port()
        command = [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stripe = cls(port)
        try:
            stripe._wait(process)
            yield stripe
        finally:
            process.kill()  # asked politely it waits a minute for its clients to hang up
            process.wait(10)

    def method(self, card: str) -> str:
        """A PaymentMethod's id for one of CARDS."""
        form = {
            "type": "card",
            "card[number]": CARDS[card],
            "card[exp_month]": "12",
            "card[exp_year]": "2040",
            "card[cvc]": "123",
        }
        return str(self.ask("POST", "/v1/payment_methods", form)["id"])

    def intents(self, order_id: Any) -> list[dict[str, Any]]:
        """The order's PaymentIntents."""
        found = self.ask("GET", "/v1/payment_intents?limit=100")["data"]
        return [each for each in found if each["metadata"].get("order_id") == str(order_id)]

    def refunds(self, intent: str) -> list[dict[str, Any]]:
        return self.ask("GET", f"/v1/refunds?payment_intent={intent}")["data"]

    def confirm(self, intent: dict[str, Any], *, success: bool = True) -> None:
        """What the shopper does at the bank."""
        form = {"client_secret": intent["client_secret"], "success": str(success).lower()}
        self.ask("POST", f"/v1/payment_intents/{intent['id']}/_authenticate", form)

    def send_webhooks_to(self, url: str, secret: str) -> None:
        self.ask("POST", "/_config/webhooks/shop", {"url": url, "secret": secret})

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = plain.request(method, self.url + path, data=form, headers=headers, timeout=10)
        return json.loads(answer.raise_for_status().content or b"null")

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end and process.poll() is None:
            try:
                self.ask("GET", "/v1/payment_intents")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("localstripe did not start")
