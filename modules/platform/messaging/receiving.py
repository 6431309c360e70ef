"""What a worker does with a batch: deliver it, then send the receipt; and that it has begun."""

from __future__ import annotations

from dataclasses import replace

from modules.platform.messaging.delivery import deliver
from modules.platform.messaging.subscriptions import (
    acknowledge,
    announcements,
    enter,
    is_direct,
)
from modules.platform.messaging.wire import Batch, Receipt


def receive(batch: Batch) -> Receipt:
    """Deliver ``batch`` and bring the receipt to its source: directly when that is in this host."""
    from modules.platform.messaging.carrier import carrier

    receipt = deliver(batch)
    if is_direct(batch.source):
        acknowledge(receipt)
    else:
        carrier().receipt(receipt)
    return receipt


def begin(consumer: str) -> None:
    """Have the sources of ``consumer`` send what is under way again, without waiting for the lease.

    A worker that was killed has lost what it had; one that still works sees it a second time, and
    skips it.
    """
    from modules.platform.messaging.carrier import carrier

    for announcement in announcements(consumer):
        if not announcement.accepts:
            continue
        told = replace(announcement, began=True)
        if is_direct(told.source):
            enter(told)
        else:
            carrier().announce(told)
