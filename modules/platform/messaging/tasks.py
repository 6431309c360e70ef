"""What the bus has Celery carry. Arguments are plain JSON; see ``carrier`` for the queues."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NoReturn

import structlog
from celery import Task, shared_task
from celery.exceptions import Reject

from modules.platform.messaging import authority, firing, presence, receiving, subscriptions
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
    _with_authority(consumer, lambda: receiving.receive(batch))


@shared_task(name="bus.ack", bind=True, soft_time_limit=SOFT_LIMIT, time_limit=HARD_LIMIT)
def acknowledge(
    self: Task[Any, Any], source: str, consumer: str, part: int, pos: int, rewind: bool
) -> None:
    """Write a receipt that came from another host."""
    receipt = Receipt(source=source, consumer=consumer, part=part, pos=pos, rewind=rewind)
    _with_authority(source, lambda: subscriptions.acknowledge(receipt))


@shared_task(name="bus.announce", bind=True, soft_time_limit=SOFT_LIMIT, time_limit=HARD_LIMIT)
def announce(
    self: Task[Any, Any],
    source: str,
    consumer: str,
    accepts: dict[str, list[int]],
    start: Start,
    began: bool = False,
) -> None:
    """Enter the subscription of a consumer in another host."""
    announcement = subscriptions.Announcement(
        source=source,
        consumer=consumer,
        accepts={name: tuple(versions) for name, versions in accepts.items()},
        start=start,
        began=began,
    )
    _with_authority(source, lambda: subscriptions.enter(announcement))


@shared_task(name="bus.begin", bind=True, soft_time_limit=SOFT_LIMIT, time_limit=HARD_LIMIT)
def begin(self: Task[Any, Any], module: str) -> None:
    """Tell every source that a worker of ``module`` has begun."""
    _with_authority(module, lambda: receiving.begin(module))


@shared_task(name="bus.fire", bind=True, soft_time_limit=SOFT_LIMIT, time_limit=HARD_LIMIT)
def fire(self: Task[Any, Any], module: str) -> None:
    """Fire due timers and retries of ``module``."""
    _with_authority(module, lambda: firing.fire(module))


@shared_task(name="bus.present")
def present(question: str, answers_to: str) -> None:
    """Say that somebody takes from the queue in which this was."""
    presence.answer(question, answers_to)


def _with_authority(module: str, work: Callable[[], object]) -> None:
    """Do ``work`` on the live data of ``module``, or leave the task to the host that has it.

    Another host may take from the same queues: for as long as both compose the module, and until
    this one's workers have stopped taking (see ``taking``).
    """
    if not authority.hosted(module):
        _hand_back(None)
    try:
        work()
    except Exception as error:
        if not authority.refused(error):
            raise
        _hand_back(error)


def _hand_back(error: Exception | None) -> NoReturn:
    # Whoever has the authority by then takes it; the pause keeps it from spinning.
    time.sleep(PAUSE)
    raise Reject("the module's authority is elsewhere", requeue=True) from error
