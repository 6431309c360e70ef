"""Celery's settings for the bus, by broker."""

from __future__ import annotations

from typing import Any

# Seconds. A worker that loses its connection gets tasks again after this at the latest; longer
# than any task may run, else a slow one would run twice at once.
VISIBILITY = 900
# Bus tasks set tighter limits of their own, inside the lease (see tasks.py); these are for the
# platform's periodic work. Threads know none: what they wait for has limits itself.
SOFT_LIMIT, HARD_LIMIT = 240, 300
# Seconds, within the relay's lease of 30: for a broker that is dead, and for one that stands still
# with its connections open. A request that starts outside work waits for it as well. On RabbitMQ
# the first time takes three ANSWERs: channel and connection are told to end, which is waited for.
CONNECT = 2
ANSWER = 3


def celery_settings(broker_url: str) -> dict[str, Any]:
    """Celery's settings, lower case, for ``broker_url`` (``redis://`` or ``amqp://``).

    One task at a time per process or thread of a worker, acknowledged when it is done and given
    back when its process dies; no results, no chatter between workers. Redis must not evict
    (``noeviction``).
    """
    return {
        "broker_url": broker_url,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_routes": ["modules.platform.messaging.carrier.route"],
        "task_create_missing_queues": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_soft_time_limit": SOFT_LIMIT,
        "task_time_limit": HARD_LIMIT,
        "task_publish_retry": False,
        "worker_prefetch_multiplier": 1,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_timeout": CONNECT,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "timezone": "UTC",
        "enable_utc": True,
        "beat_schedule": {},
        "beat_scheduler": "modules.platform.messaging.periods:ByAuthority",
        **(_rabbitmq() if broker_url.startswith(("amqp", "pyamqp")) else _redis()),
    }


def told(error: BaseException) -> str:
    """What a log says of an error. kombu's has the words of the error behind it, which may have
    none, as a timeout; then that one itself is named.
    """
    return repr(error if str(error) or error.__cause__ is None else error.__cause__)


def _redis() -> dict[str, Any]:
    return {
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY,
            "socket_connect_timeout": CONNECT,
            "socket_timeout": ANSWER,
            "socket_keepalive": True,
            "health_check_interval": 25,
        },
    }


def _rabbitmq() -> dict[str, Any]:
    return {
        "broker_transport_options": {
            "confirm_publish": True,
            "read_timeout": ANSWER,
            "write_timeout": ANSWER,
        },
        "task_default_queue_type": "quorum",
        "task_create_missing_queue_type": "quorum",
        # Quorum queues have no global prefetch; Celery then sets it per consumer.
        "worker_detect_quorum_queues": True,
    }
