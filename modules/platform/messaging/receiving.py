"""What a worker does with a batch: deliver it, then send the receipt."""

from __future__ import annotations

from modules.platform.messaging.delivery import deliver
from modules.platform.messaging.subscriptions import acknowledge, is_direct
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
