"""Whose workers get a module's events and its other work: the monolith's, or the service's.

Batches go by their partition. What is not divided (timers, retries, periodic and outside work)
goes to the service once all of the module's work is its own. While the service's workers do not
answer (``attending``), all of it is the monolith's: both work on the same data.
"""

from __future__ import annotations

from collections.abc import Callable

from modules.platform.messaging.subscriptions import PARTS
from modules.platform.placement.buckets import BUCKETS, bucket_of_part, is_in
from modules.platform.placement.metrics import BATCHES
from modules.platform.placement.placed import Placed

Of = Callable[[str], Placed]


def goes_to_service(of: Of) -> Callable[[str, int | None], bool]:
    """``(module, part)``: whether the service's workers have it; ``part`` None for what has none.

    A batch that is under way on the other side when the share changes is handled there or, when
    its lease runs out, sent again here: both sides take the same cursor's lock, and the one that
    comes second finds the batch behind it.
    """

    def decide(module: str, part: int | None) -> bool:
        placed = of(module)
        percent = placed.percent if placed.attended else 0
        if part is None or not percent:
            return percent == BUCKETS
        at_service = is_in(bucket_of_part(part, PARTS), percent)
        BATCHES.labels(module, "service" if at_service else "local").inc()
        return at_service

    return decide
