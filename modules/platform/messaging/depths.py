"""Queue depth: what lies in the broker's queues and no worker has taken yet.

Nothing is lost there: events are sent again, intents swept up. But a queue that stays long says
that its worker does not run, hangs or cannot keep up.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import Celery, current_app


def depths(queues: Iterable[str], app: Celery | None = None) -> dict[str, int]:
    """How many messages wait in each of ``queues``; what a worker holds is not among them.

    Raises the broker's errors, after some seconds, when it does not answer.
    """
    with (app or current_app).connection_for_read() as connection:
        return {queue: _depth(connection, queue) for queue in queues}


def _depth(connection: Any, queue: str) -> int:
    """A channel each, for RabbitMQ ends one in which a queue was asked for that is not there."""
    channel = connection.channel()
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except connection.channel_errors:  # nothing was ever sent there; Redis keeps no empty ones
        return 0
    finally:
        channel.close()
