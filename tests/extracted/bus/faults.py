"""Seeded bugs of the bus, to show that the ledger finds them: ``BUS_FAULT=cursor_apart``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# Seconds between the two halves of what ought to be one: else a kill would seldom fall in there.
APART = 0.1


def cursor_apart() -> None:
    """The cursor is committed after the batch, in a transaction of its own."""
    from modules.platform.databases import atomic
    from modules.platform.messaging import delivery
    from modules.platform.messaging.database import execute

    def in_one_go(batch: Any) -> Any:
        with atomic(batch.consumer):
            pos = delivery._position(batch)
            if batch.after > pos or batch.to <= pos:
                return delivery._out_of_place(batch, pos), []
            news = delivery._news(batch, pos)
            for event in news:
                delivery.handle(batch.consumer, event)
        time.sleep(APART)
        advance = [batch.to, batch.consumer, batch.source, batch.part]
        execute(batch.consumer, delivery._ADVANCE, advance)
        return delivery._receipt(batch, batch.to, handled=len(news)), news

    delivery._in_one_go = in_one_go


def receipt_first() -> None:
    """The receipt is sent before the batch is committed."""
    from modules.platform.messaging import delivery, receiving
    from modules.platform.messaging.carrier import carrier

    deliver = receiving.deliver

    def promise(batch: Any) -> Any:
        carrier().receipt(delivery._receipt(batch, batch.to))
        time.sleep(APART)
        return deliver(batch)

    receiving.deliver = promise


def receipt_first_and_believed() -> None:
    """The same, and a batch that does not join on to the cursor is taken all the same."""
    from modules.platform.messaging import delivery

    receipt_first()
    position = delivery._position
    delivery._position = lambda batch: max(position(batch), batch.after)


def no_resend() -> None:
    """A batch whose receipt does not come is waited for, for ever."""
    from modules.platform.messaging import claiming

    lease = "< clock_timestamp() + %(ahead)s::interval END"
    assert lease in claiming._CLAIM
    claiming._CLAIM = claiming._CLAIM.replace(lease, f"{lease.removesuffix('END')}AND false END")


def wrong_host() -> None:
    """A worker does whatever comes to it, and takes from every queue that it was started with."""
    from modules.platform.messaging import taking, tasks

    tasks._with_authority = lambda module, work: work()
    taking.hosted = lambda module: True


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault
    for fault in (
        cursor_apart,
        receipt_first,
        receipt_first_and_believed,
        no_resend,
        wrong_host,
    )
}


def plant(name: str) -> None:
    """Put the bug of that name into this process; none for an empty one."""
    if name:
        FAULTS[name]()
