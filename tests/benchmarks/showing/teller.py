"""A provider who sends payment signed messages at a steady rate, and keeps a ledger of its own.

Each message is one write of payment's: a row with the message's id. What was answered with 200 must
be in the database once, what was never answered so not more than once, and nothing else.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from standardwebhooks import Webhook

from modules.payment.standin.webhooks import signing_key
from tests import plain

MODULE = "payment"  # whose writes they are
PATH = "/api/v1/payment/webhooks/standin"
PATIENCE = 40.0  # seconds for an answer: a little more than the front door's


@dataclass(frozen=True, slots=True)
class Told:
    """One message: when it was sent (monotonic), how long until the answer, and that."""

    id: str
    at: float
    seconds: float
    status: int  # 0: none


@dataclass(slots=True)
class Ledger:
    """All that was sent; appended to by several threads, which is safe."""

    told: list[Told] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        """Answers other than 200, in words."""
        return [f"{one.id}: {one.status or 'no answer'}" for one in self.told if one.status != 200]

    def longest(self, since: float, until: float) -> float:
        """Seconds of the request that took longest among those under way in between."""
        under_way = (
            one.seconds for one in self.told if one.at <= until and one.at + one.seconds >= since
        )
        return max(under_way, default=0.0)

    def check(self, rows: Iterable[str]) -> dict[str, int]:
        """How many are ``lost``, ``doubled`` and ``stray`` among the ids that the database has."""
        taken = {one.id for one in self.told if one.status == 200}
        return compared(rows, taken=taken, sent={one.id for one in self.told})


def compared(rows: Iterable[str], *, taken: set[str], sent: set[str]) -> dict[str, int]:
    """How many of ``taken`` are ``lost``, how many rows ``doubled``, and how many ``stray``: never
    ``sent``.
    """
    found = Counter(rows)
    return {
        "lost": len(taken - found.keys()),
        "doubled": sum(count - 1 for count in found.values()),
        "stray": len(found.keys() - sent),
    }


@contextmanager
def telling(
    base: str,
    secret: str,
    charges: Sequence[Mapping[str, Any]],
    *,
    rate: float,
    threads: int = 4,
) -> Iterator[Ledger]:
    """Send so many messages a second through the front door, for as long as the block lasts.

    They are about ``charges`` in turn, as the provider writes them, and say nothing new.
    """
    ledger, stop, numbers = Ledger(), threading.Event(), itertools.count()
    began, signer = time.monotonic(), Webhook(signing_key(secret))

    def run() -> None:
        with plain.client(base_url=base, timeout=PATIENCE) as http:
            while not stop.is_set():
                number = next(numbers)
                stop.wait(max(0.0, began + number / rate - time.monotonic()))
                ledger.told.append(_tell(http, signer, charges[number % len(charges)]))

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield ledger
    finally:
        stop.set()
        for thread in running:
            thread.join()


def _tell(http: httpx.Client, signer: Webhook, charge: Mapping[str, Any]) -> Told:
    message, now = f"show_{uuid4().hex}", datetime.now(UTC)
    body = json.dumps({"type": "charge.captured", "data": dict(charge)})
    headers = {
        "Content-Type": "application/json",
        "Webhook-Id": message,
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": signer.sign(message, now, body),
    }
    at, status = time.monotonic(), 0
    try:
        status = http.post(PATH, content=body, headers=headers).status_code
    except httpx.HTTPError:
        status = 0
    return Told(message, at, time.monotonic() - at, status)
