"""A crowd that browses, fills carts and orders all the time, and notes each answer."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx

from tests import plain
from tests.e2e.shopper import Shopper

PATIENCE = 40.0  # seconds for an answer: a little more than the front door's


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One answer. ``what``: browse, cart or order; ``status`` 0: no answer at all."""

    what: str
    at: float  # time.monotonic() when it was asked
    seconds: float
    status: int
    headers: httpx.Headers
    body: dict[str, Any]


@dataclass
class Crowd:
    """``with Crowd(base, skus) as crowd: ...``; it ends with the block, or after ``orders``."""

    base: str
    skus: Sequence[str]
    buyers: int = 3
    orders: int = 1_000_000
    pause: float = 0.0  # seconds between two purchases of one buyer
    methods: Sequence[str] = ("card_ok",)  # of paying, in turn
    seen: list[Seen] = field(default_factory=list)
    domain: str = field(default_factory=lambda: f"{uuid4().hex[:10]}.example")

    def __enter__(self) -> Crowd:
        self._stop, self._numbers = threading.Event(), itertools.count()
        self._threads = [threading.Thread(target=self._run) for _ in range(self.buyers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self.wait()

    def wait(self) -> None:
        """Until all have bought what they wanted."""
        for thread in self._threads:
            thread.join()

    @property
    def is_buying(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def answers(self, *what: str, since: float = 0.0) -> list[Seen]:
        """Those to ``what`` (to all, if nothing is named) of what was asked after ``since``."""
        return [s for s in self.seen if (not what or s.what in what) and s.at >= since]

    def _run(self) -> None:
        with plain.client(base_url=self.base, timeout=PATIENCE) as http:
            while not self._stop.is_set() and (number := next(self._numbers)) < self.orders:
                self._buy(http, number)
                self._stop.wait(self.pause)

    def _buy(self, http: httpx.Client, number: int) -> None:
        one = Shopper(_Client(http, self.seen))  # type: ignore[arg-type]
        one.email = f"{number}@{self.domain}"
        try:
            one.http.get("/api/v1/catalog/products?limit=3")
            one.take_cart()
            one.add(self.skus[number % len(self.skus)])
            one.order(self.methods[number % len(self.methods)])
        except (AssertionError, httpx.HTTPError):
            return  # it is noted


class _Client:
    """An HTTP client that notes what is answered."""

    def __init__(self, http: httpx.Client, seen: list[Seen]) -> None:
        self._http, self._seen = http, seen

    def post(self, url: str, **more: Any) -> httpx.Response:
        return self.request("POST", url, **more)

    def get(self, url: str, **more: Any) -> httpx.Response:
        return self.request("GET", url, **more)

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        what = {"orders": "order", "cart": "cart"}.get(url.split("/")[3], "browse")
        at, status, headers, body = time.monotonic(), 0, httpx.Headers(), {}
        try:
            answer = self._http.request(method, url, **more)
            status, headers = answer.status_code, answer.headers
            body = answer.json()
            return answer
        finally:
            taken = time.monotonic() - at
            self._seen.append(
                Seen(what=what, at=at, seconds=taken, status=status, headers=headers, body=body)
            )
