"""Carriers bring batches, receipts and calls to a module's queue. They may lose and repeat.

Truth is in PostgreSQL at both ends, so a carrier needs no guarantee at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import structlog
from celery import current_app
from django.conf import settings
from django.utils.module_loading import import_string

from modules.platform.databases.aliases import ORIGIN, OWN
from modules.platform.messaging import presence
from modules.platform.messaging.broker import celery_settings as celery_settings
from modules.platform.messaging.depths import depths
from modules.platform.messaging.subscriptions import Announcement
from modules.platform.messaging.wire import Batch, Receipt

log = structlog.get_logger(__name__)

PATIENCE = 1.0  # seconds in which a worker answers that it is there
ANNOUNCED_FOR = 60.0  # seconds: two of a relay's announcements


class Carrier(Protocol):
    """Brings things to the worker of a module, perhaps."""

    def deliver(self, batch: Batch) -> None:
        """Bring ``batch`` to its consumer."""
        ...

    def receipt(self, receipt: Receipt) -> None:
        """Bring ``receipt`` to the source's host."""
        ...

    def announce(self, announcement: Announcement) -> None:
        """Bring ``announcement`` to the source's host."""
        ...

    def fire(self, module: str) -> None:
        """Have ``module`` fire its due timers and retries."""
        ...

    def call(self, module: str, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Have ``module``'s worker run the Celery ``task``."""
        ...

    def has_worker(self, queue: str) -> bool:
        """Whether somebody takes things from ``queue`` now. No takes two seconds."""
        ...

    def depths(self, queues: Iterable[str]) -> dict[str, int]:
        """How many messages wait in each of ``queues``, where the carrier has any."""
        ...


class CeleryCarrier:
    """One Celery task each. Raises kombu's errors when the broker cannot be reached."""

    def deliver(self, batch: Batch) -> None:
        from modules.platform.messaging import tasks

        arguments = [
            batch.source,
            batch.consumer,
            batch.part,
            batch.after,
            batch.to,
            batch.opening,
            batch.events,
        ]
        tasks.deliver.apply_async(arguments, queue=queue_of(batch.consumer, batch.part))

    def receipt(self, receipt: Receipt) -> None:
        from modules.platform.messaging import tasks

        arguments = [receipt.source, receipt.consumer, receipt.part, receipt.pos, receipt.rewind]
        tasks.acknowledge.apply_async(arguments, queue=ack_queue_of(receipt.source))

    def announce(self, announcement: Announcement) -> None:
        from modules.platform.messaging import tasks

        accepts = {name: list(versions) for name, versions in announcement.accepts.items()}
        began = announcement.began
        arguments = [announcement.source, announcement.consumer, accepts, announcement.start, began]
        # An old one that turns up late would take back what the consumer has begun to hear since.
        queue = ack_queue_of(announcement.source)
        tasks.announce.apply_async(arguments, queue=queue, expires=ANNOUNCED_FOR)

    def fire(self, module: str) -> None:
        from modules.platform.messaging import tasks

        tasks.fire.apply_async([module], queue=queue_of(module))

    def call(self, module: str, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        task.apply_async(args, kwargs, queue=outside_queue_of(module))

    def has_worker(self, queue: str) -> bool:
        if presence.is_attended(queue, PATIENCE):
            return True
        # One that has its hands full does not come to the question; which queues it takes from it
        # says all the same.
        inspected = current_app.control.inspect(timeout=PATIENCE).active_queues() or {}
        return any(one["name"] == queue for taken in inspected.values() for one in taken)

    def depths(self, queues: Iterable[str]) -> dict[str, int]:
        return depths(queues)


class InlineCarrier:
    """A queue in this process, for tests: nothing happens until ``pump`` takes things out."""

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], int]] = deque()

    def deliver(self, batch: Batch) -> None:
        self.waiting.append(partial(self._deliver, batch))

    def receipt(self, receipt: Receipt) -> None:
        from modules.platform.messaging.subscriptions import acknowledge

        self.waiting.append(lambda: _quietly(acknowledge, receipt))

    def announce(self, announcement: Announcement) -> None:
        from modules.platform.messaging.subscriptions import enter

        self.waiting.append(lambda: _quietly(enter, announcement))

    def fire(self, module: str) -> None:
        from modules.platform.messaging.firing import fire

        self.waiting.append(lambda: fire(module))

    def call(self, module: str, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.waiting.append(lambda: self._call(task, args, kwargs))

    def has_worker(self, queue: str) -> bool:
        return True  # whoever pumps

    def depths(self, queues: Iterable[str]) -> dict[str, int]:
        return {}

    def pump(self) -> int:
        """Do everything that waits; the number of events handled, timers fired and calls made."""
        moved = 0
        while self.waiting:
            moved += self.waiting.popleft()()
        return moved

    def _deliver(self, batch: Batch) -> int:
        from modules.platform.messaging.receiving import receive

        return receive(batch).handled

    def _call(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        try:
            task(*args, **kwargs)
        except Exception:  # as a worker would: the sweeper picks it up
            log.exception("bus.task_failed", task=getattr(task, "name", repr(task)))
        return 1


def _quietly(function: Callable[[Any], object], argument: object) -> int:
    """Bookkeeping moves no event."""
    function(argument)
    return 0


def _by_role(module: str, part: int | None) -> bool:
    """A host whose module's data is the monolith's leaves the monolith's queues to it."""
    origin = getattr(settings, "INSTANCE_ROLE", OWN) == ORIGIN
    return origin and module in settings.FICUS_MODULES


GoesToService = Callable[[str, int | None], bool]
_goes_to_service: GoesToService = _by_role


def install_placement(goes_to_service: GoesToService) -> GoesToService:
    """Let ``goes_to_service(module, part)`` say whose workers have it (see ``queue_of``) from now
    on; returns who said before.
    """
    global _goes_to_service
    before, _goes_to_service = _goes_to_service, goes_to_service
    return before


def queue_of(module: str, part: int | None = None) -> str:
    """Where batches for ``module`` and its due timers go.

    ``part`` is a batch's partition. While a service works on the monolith's data, it has queues
    of its own beside the monolith's.
    """
    return service_queue_of(module) if _goes_to_service(module, part) else f"bus.{module}"


def outside_queue_of(module: str) -> str:
    """Where the tasks of ``module`` go: its outside and its periodic work.

    They may wait for others for seconds, so they have workers of their own, of many threads: a
    provider that hangs holds up no event.
    """
    there = _goes_to_service(module, None)
    return service_outside_queue_of(module) if there else f"outside.{module}"


def service_queue_of(module: str) -> str:
    """``queue_of`` a service's workers that work on the monolith's data."""
    return f"bus.{module}.service"


def service_outside_queue_of(module: str) -> str:
    """``outside_queue_of`` a service's workers that work on the monolith's data."""
    return f"outside.{module}.service"


def service_queues_of(module: str) -> tuple[str, ...]:
    """All that a service on the monolith's data must have workers for."""
    return service_queue_of(module), service_outside_queue_of(module)


def ack_queue_of(module: str) -> str:
    """Where receipts and announcements for ``module`` go."""
    return f"bus.ack.{module}"


def worker_queues(modules: Iterable[str], *, role: str = OWN) -> list[str]:
    """The queues of a worker that serves ``modules``: ``celery worker -Q`` takes them joined.

    With the role ``origin`` receipts stay the monolith's, whose outboxes they are about.
    """
    if role == ORIGIN:
        return [service_queue_of(module) for module in modules]
    return [queue for m in modules for queue in (f"bus.{m}", ack_queue_of(m))]


def outside_queues(modules: Iterable[str], *, role: str = OWN) -> list[str]:
    """The queues of the other worker of ``modules``, which has threads (see ``worker_queues``)."""
    if role == ORIGIN:
        return [service_outside_queue_of(module) for module in modules]
    return [f"outside.{module}" for module in modules]


def queues_here(modules: Iterable[str]) -> list[str]:
    """All queues that this host's workers have for ``modules``."""
    role, chosen = getattr(settings, "INSTANCE_ROLE", OWN), tuple(modules)
    return [*worker_queues(chosen, role=role), *outside_queues(chosen, role=role)]


def route(name: str, *_: Any, **__: Any) -> dict[str, str] | None:
    """Celery's router: a module's own task (``payment.reconcile``) goes where its tasks go.

    So whoever has the module has its periodic work. All else takes Celery's default queue.
    """
    module = name.partition(".")[0]
    return {"queue": outside_queue_of(module)} if module in settings.FICUS_MODULES else None


_current: Carrier | None = None


def carrier() -> Carrier:
    """The carrier of this process: ``BUS_CARRIER``, else Celery."""
    global _current
    if _current is None:
        _current = import_string(getattr(settings, "BUS_CARRIER", _CELERY))()
    return _current


_CELERY = "modules.platform.messaging.carrier.CeleryCarrier"


def use_carrier(other: Carrier) -> None:
    """Use ``other`` in this process from now on."""
    global _current
    _current = other


@contextmanager
def carried_by(other: Carrier) -> Iterator[None]:
    """Use ``other`` for a while."""
    global _current
    before, _current = _current, other
    try:
        yield
    finally:
        _current = before
