"""Guests who buy all the time, the README's whole way, and write down what they were told."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests import plain
from tests.e2e.shopper import ADDRESS

PAUSE = 0.2  # seconds between two purchases of one buyer, who looks at the goods meanwhile
PATIENCE = 40.0  # seconds for an answer: a little more than the front door's
AGAIN = 0.5  # seconds before a request that failed is made again


@dataclass(frozen=True, slots=True)
class Bought:
    """An order as its buyer knows it."""

    id: str
    number: str
    email: str
    total: int  # in minor units


@dataclass(slots=True)
class Notebook:
    """What all buyers have seen. Lists are appended to by several threads, which is safe."""

    orders: list[Bought] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)  # taken, and confirmed after the answer only
    requests: int = 0
    repeated: int = 0  # of these, because the one before was not answered as it should be


class Failed(Exception):
    """A request was not answered as it should be; the message says which, and how."""


class Buyer:
    """One after another: goods, a cart, a line, an order, its payment, its messages.

    A request that fails is made again, an order with the same key, for ``patience`` seconds.
    """

    def __init__(
        self, base: str, skus: Iterable[str], notes: Notebook, patience: float = 0.0
    ) -> None:
        self._http = plain.client(base_url=base, timeout=PATIENCE)
        self._skus = itertools.cycle(skus)
        self._notes, self._patience = notes, patience

    def run(self, stop: threading.Event, pause: float = PAUSE) -> None:
        """Buy until ``stop``, with ``pause`` seconds between two purchases."""
        with self._http:
            while not stop.is_set():
                try:
                    self.buy()
                except Failed as error:
                    self._notes.failures.append(str(error))
                stop.wait(pause)

    def buy(self) -> None:
        """One purchase. Raises Failed."""
        email = f"{uuid4().hex[:12]}@example.com"
        self._asked("GET", "/api/v1/catalog/products?limit=3")
        cart = self._asked("POST", "/api/v1/cart", status=(201,))
        token = {"Cart-Token": str(cart["token"])}
        line = {"sku": next(self._skus), "quantity": 1}
        lines = f"/api/v1/cart/{cart['id']}/lines"
        self._asked("POST", lines, json=line, headers=token, status=(200, 201))
        body = {
            "cart_id": cart["id"],
            "email": email,
            "shipping_address": ADDRESS,
            "payment_method": "card_ok",
        }
        once = {**token, "Idempotency-Key": uuid4().hex}
        # 202: taken, and finished by a worker; 200: taken before, and the answer was lost.
        taken = (200, 201, 202) if self._patience else (201, 202)
        order = self._asked("POST", "/api/v1/orders", json=body, headers=once, status=taken)
        total = int(order["total"]["amount"])
        if order["state"] not in ("confirmed", "captured"):
            self._notes.late.append(f"order {order['number']}: {order['state']}")
        self._notes.orders.append(Bought(order["id"], order["number"], email, total))
        self._asked("GET", f"/api/v1/orders/{order['id']}", headers=token)
        for path in ("payment/payments", "notification/messages"):
            self._asked("GET", f"/api/v1/{path}?order_id={order['id']}", headers=token)

    def _asked(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        until = time.monotonic() + self._patience
        while True:
            try:
                return self._asked_once(method, path, **more)
            except Failed:
                if time.monotonic() >= until:
                    raise
                self._notes.repeated += 1
                time.sleep(AGAIN)

    def _asked_once(
        self, method: str, path: str, *, status: tuple[int, ...] = (200,), **more: Any
    ) -> dict[str, Any]:
        self._notes.requests += 1
        try:
            answer = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise Failed(f"{method} {path}: {error!r}") from error
        if answer.status_code not in status:
            raise Failed(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return dict(answer.json())


@contextmanager
def buying(
    base: str, skus: Iterable[str], *, buyers: int, pause: float = PAUSE, patience: float = 0.0
) -> Iterator[Notebook]:
    """So many buyers at work; when it ends each has finished what it had begun."""
    notes, stop = Notebook(), threading.Event()

    def run() -> None:
        Buyer(base, skus, notes, patience).run(stop, pause)

    threads = [threading.Thread(target=run) for _ in range(buyers)]
    for thread in threads:
        thread.start()
    try:
        yield notes
    finally:
        stop.set()
        for thread in threads:
            thread.join()
