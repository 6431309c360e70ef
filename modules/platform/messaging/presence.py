"""Whether somebody takes things from a queue: a question goes through it like any batch.

So an answer says more than that a worker is connected: it has taken this out of the queue, and done
it in one of its processes. Answers come by the broker as well, for that is what both sides share;
each asker has a queue for them, which the broker forgets with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from queue import Empty
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from celery import Celery, current_app

LOST_AFTER = 3600  # seconds that a question waits for a worker, and answers for who asked


class Asker:
    """Asks queues, and hears answers. For one thread; raises kombu's errors, after which it is
    closed and a new one made.
    """

    def __init__(self, app: Celery | None = None) -> None:
        self._app: Any = app or current_app
        self._name = f"bus.answers.{uuid4().hex}"
        self._connection = self._app.connection_for_read()
        lasts = {"durable": False, "auto_delete": True, "expires": LOST_AFTER}
        self._answers = self._connection.SimpleQueue(self._name, no_ack=True, queue_opts=lasts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, queue: str, *, expires: float = LOST_AFTER) -> str:
        """Put a question into ``queue``, good for ``expires`` seconds; its answer is the same."""
        from modules.platform.messaging.tasks import present

        question = uuid4().hex
        present.apply_async([question, self._name], queue=queue, expires=expires)
        return question

    def heard(self, patience: float) -> Iterator[str]:
        """The questions that are answered by now; at least one, if it comes within ``patience``
        seconds.
        """
        with suppress(Empty):
            yield self._answers.get(timeout=patience).payload
            while True:
                yield self._answers.get_nowait().payload

    def close(self) -> None:
        """Hear no more."""
        with suppress(Exception):  # a broker that is away forgets it by itself
            self._answers.queue.delete()
        with suppress(Exception):
            self._answers.close()
            self._connection.close()


def answer(question: str, answers_to: str) -> None:
    """What a worker does with a question."""
    with current_app.amqp.producer_pool.acquire(block=True) as producer:
        producer.publish(question, exchange="", routing_key=answers_to, serializer="json")


def is_attended(queue: str, patience: float) -> bool:
    """Whether a worker that takes from ``queue`` says so within ``patience`` seconds."""
    with Asker() as asker:
        question = asker.ask(queue, expires=patience)
        return question in asker.heard(patience)
