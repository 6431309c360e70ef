"""For tests: the whole bus in one thread, without Celery and without a broker.

    publish-ing use case; drain(); assert what the handlers did

The relay, deliveries, receipts, timers and tasks are the real ones; only the carrier is a queue
in this process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from modules.platform.messaging import firing, registry, relay, subscriptions
from modules.platform.messaging.authority import hosted, hosted_modules
from modules.platform.messaging.carrier import InlineCarrier, carried_by, carrier, use_carrier
from modules.platform.messaging.claiming import Limits
from modules.platform.messaging.database import rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A parked event. ``error`` is the traceback; ``state`` as in ``parking``."""

    consumer: str
    source: str
    type: str
    key: str
    position: int
    state: str
    attempts: int
    fingerprint: str
    place: str
    error: str


class PerTestCarrier(InlineCarrier):
    """Forgets what another test has left under way."""

    def __init__(self) -> None:
        super().__init__()
        self._test = ""

    def pump(self) -> int:
        self._forget_others()
        return super().pump()

    def call(self, module: str, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._forget_others()
        super().call(module, task, args, kwargs)

    def _forget_others(self) -> None:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        if test != self._test:
            self._test = test
            self.waiting.clear()


# Importing this module is the choice: from here on nothing leaves the process.
use_carrier(PerTestCarrier())


def drain(timeout: float = 10.0, *, ahead: float = 0.0, modules: Sequence[str] = ()) -> int:
    """Do all that is to be done until nothing moves; how many events, timers and tasks it was.

    ``ahead`` seconds are added to the clock: timers and retries due until then run now, and
    batches whose lease ends by then are sent again. ``modules`` limits it to some; their consumers
    get the events even so. Raises ``TimeoutError`` when it still moves after ``timeout`` seconds.
    """
    present = carrier()
    queue = present if isinstance(present, InlineCarrier) else PerTestCarrier()
    limits = Limits(ahead=timedelta(seconds=ahead))
    chosen = tuple(modules) or hosted_modules()
    end = time.monotonic() + timeout
    total = 0
    with carried_by(queue):
        _announce()
        while True:
            sent, handled = 0, queue.pump()
            for module in chosen:
                seen = relay.look(module, limits)
                handled += firing.fire(module, ahead=ahead) if seen.due else 0
                sent += relay.send(module, seen.horizon, queue, limits)
                handled += queue.pump()
            total += handled
            if not sent and not handled:
                return total
            if time.monotonic() > end:
                raise TimeoutError(f"the bus still moves after {timeout} s")


def letters(*states: str) -> list[Letter]:
    """The parked events of all modules, in order; all states but resolved if none is named."""
    wanted = list(states) or ["retry", "blocked", "dead", "manual"]
    sql = (
        "SELECT consumer, source, type, key, position, state, attempts, fingerprint, place, error "
        "FROM bus_parked WHERE state = ANY (%s) ORDER BY source, position"
    )
    names = list(Letter.__dataclass_fields__)
    return [
        Letter(**dict(zip(names, found, strict=True)))
        for module in hosted_modules()
        for found in rows(module, sql, [wanted])
    ]


def dead_letters() -> list[Letter]:
    """The parked events that nobody will try again by itself."""
    return letters("dead", "manual")


def _announce() -> None:
    for consumer in registry.consumers():
        for announcement in subscriptions.announcements(consumer):
            if hosted(announcement.source):
                subscriptions.enter(announcement)
