"""Publishes, as a process of a host: ``python -m tests.extracted.bus.publisher shop 0 200``.

The host, the number of the first event, and how many a second. They go round the keys, and count
up from 0 in each. SIGTERM ends it; it then prints the number of the next event.
"""

from __future__ import annotations

import sys
import time
from uuid import UUID

import django

KEYS = 64
HOSTS = {"shop": "orders", "payment": "payment"}  # host: the module of it that takes part


def main(host: str, first: int, rate: float) -> int:
    from modules.orders.contract import OrderNeedsReview
    from modules.payment.contract import PaymentVoided
    from modules.platform.console import stop_by_signal
    from modules.platform.contracts import Event
    from modules.platform.databases import atomic
    from modules.platform.messaging import publish

    module, stop = HOSTS[host], stop_by_signal()

    def event(order: UUID, value: int) -> Event:
        if module == "orders":
            return OrderNeedsReview(order_id=order, number="F-1", reason=str(value))
        return PaymentVoided(order_id=order, payment_id=order, reason=str(value))

    started, number = time.monotonic(), first
    while not stop.is_set():
        with atomic(module):
            publish(event(UUID(int=number % KEYS + 1), number // KEYS))
        number += 1
        stop.wait(max(0.0, started + (number - first) / rate - time.monotonic()))
    return number


if __name__ == "__main__":
    django.setup()
    print(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])), flush=True)
