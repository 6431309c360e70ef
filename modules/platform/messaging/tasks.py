"""What the bus has Celery carry. Arguments are plain JSON; see ``carrier`` for the queues."""

from __future__ import annotations

import time
from typing import Any

import structlog
from celery import Task, shared_task
from celery.exceptions import Reject

from modules.platform.messaging import authority, firing, receiving, subscriptions
from modules.platform.messaging.registry import Start
from modules.platform.messaging.wire import Batch, Receipt

log = structlog.get_logger(__name__)

# Seconds, inside the relay's lease of 30: after the soft limit there is time to do the batch
# again without the event that ran out of it.
SOFT_LIMIT, HARD_LIMIT = 12, 25
PAUSE = 0.1  # seconds before a refused task goes back to its queue


@shared_task(name="bus.deliver", bind=True, soft_time_limit=SOFT_LIMIT, time_limit=HARD_LIMIT)
def deliver(
    self: Task[Any, Any],
    source: str,
    consumer: str,
    part: int,
    after: int,
    to: int,
    opening: bool,
    events: str,
) -> None:
    """Deliver one batch and send its receipt."""
    batch = Batch(source, consumer, part, after, to, opening, events)
    _hand_back_if_refused(lambda: receiving.receive(batch))


@shared_task(name="bus.ack", bind=True, soft_time_limit=SOFT_LIMIT, time_limit=HARD_LIMIT)
def acknowledge(
    self: Task[Any, Any], source: str, consumer: str, part: int, pos: int, rewind: bool
) -> None:
    """Write a receipt that came from another host."""
    receipt = Receipt(source=source, consumer=consumer, part=part, pos=pos, rewind=rewind)
    _hand_back_if_refused(lambda: subscriptions.acknowledge(receipt))


@shared_task(name="bus.announce", bind=True, soft_time_limit=SOFT_LIMIT, time_limit=HARD_LIMIT)
def announce(
    self: Task[Any, Any], source: str, consumer: str, accepts: dict[str, list[int]], start: Start
) -> None:
    """Enter the subscription of a consumer in another host."""
    announcement = subscriptions.Announcement(
        source=source,
        consumer=consumer,
        accepts={name: tuple(versions) for name, versions in accepts.items()},
        start=start,
    )
    _hand_back_if_refused(lambda: subscriptions.enter(announcement))


@shared_task(name="bus.fire", bind=True, soft_time_limit=SOFT_LIMIT, time_limit=HARD_LIMIT)
def fire(self: Task[Any, Any], module: str) -> None:
    """Fire due timers and retries of ``module``."""
    _hand_back_if_refused(lambda: firing.fire(module))


def _hand_back_if_refused(work: Any) -> None:
    try:
        work()
    except Exception as error:
        if not authority.refused(error):
            raise
        # Whoever has the authority by then takes it; the pause keeps it from spinning.
        time.sleep(PAUSE)
        raise Reject("the module's authority is elsewhere", requeue=True) from error
