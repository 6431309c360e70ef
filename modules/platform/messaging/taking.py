"""Workers take from the queues of those modules whose live data is their host's, and no others.

A task that comes to the wrong host is handed back (``tasks``), but a worker that went on taking
would do little else while the right host is away.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import Celery, bootsteps
from celery.worker.consumer import Consumer

from modules.platform.databases import installed_modules
from modules.platform.messaging import registry
from modules.platform.messaging.authority import hosted
from modules.platform.messaging.carrier import outside_queues, service_queue_of, worker_queues

log = structlog.get_logger(__name__)

LOOK = 0.5  # seconds between two looks at who has the authority


class TakesByAuthority(bootsteps.StartStopStep):
    """Makes a worker stop and begin taking from ``bus.<module>``, ``bus.ack.<module>`` and
    ``outside.<module>``.

    Only of those queues that it was started with; a service's own are left alone.
    """

    requires = ("celery.worker.consumer:Tasks",)

    def __init__(self, consumer: Consumer, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None
        queues = consumer.app.amqp.queues
        self._given = frozenset(queues.consume_from)
        # Before it begins to consume: it would fetch some and only then hand them back.
        for module in installed_modules():
            if not hosted(module):
                for queue in self._given_of(module):
                    queues.deselect(queue)

    def start(self, consumer: Consumer) -> None:
        self.leave(consumer)
        self.tell(consumer)
        self._timer = consumer.timer.call_repeatedly(LOOK, self.follow, (consumer,))

    def stop(self, consumer: Consumer) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def leave(self, consumer: Consumer) -> None:
        """What became another host's while the worker had no broker.

        What has become its own is left to the first look: RabbitMQ delivers as soon as a queue is
        taken from, and a worker that starts has nobody yet who receives it.
        """
        for module in installed_modules():
            if not hosted(module):
                for queue in self._given_of(module):
                    consumer.cancel_task_queue(queue)

    def follow(self, consumer: Consumer) -> None:
        """Take as the authority stands now."""
        for module in installed_modules():
            takes = hosted(module)
            for queue in self._given_of(module):
                if consumer.task_consumer.consuming_from(queue) == takes:
                    continue
                log.info("bus.queue_taken" if takes else "bus.queue_left", queue=queue)
                change = consumer.add_task_queue if takes else consumer.cancel_task_queue
                change(queue)

    def _given_of(self, module: str) -> frozenset[str]:
        return self._given.intersection([*worker_queues([module]), *outside_queues([module])])

    def tell(self, consumer: Consumer) -> None:
        """Have one of the worker's processes tell the sources that it has begun."""
        from modules.platform.messaging.tasks import begin

        with consumer.app.connection_for_write() as connection:
            for module in filter(hosted, registry.consumers()):
                queues = {f"bus.{module}", service_queue_of(module)}
                for queue in sorted(queues & self._given):
                    begin.apply_async([module], queue=queue, connection=connection)


def install(app: Celery) -> None:
    """Have the workers of ``app`` take by authority."""
    app.steps["consumer"].add(TakesByAuthority)
