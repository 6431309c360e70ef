"""Redis, and Celery that carries the bus; see modules/platform/messaging."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.platform.hosting.environment import Environment
from modules.platform.hosting.host import Host
from modules.platform.hosting.servers import redis_url

REDIS = ("redis", "rediss")
BROKERS = (*REDIS, "redis+socket", "sentinel", "amqp", "amqps")


def settings(host: Host, env: Environment, home: Path) -> dict[str, Any]:
    """Names and values. Raises EnvError, EmbeddedServerError."""
    from modules.platform.messaging.broker import ANSWER, CONNECT, celery_settings

    redis = env.server("REDIS_URL", REDIS) or redis_url(home)
    broker = env.server("BROKER_URL", BROKERS) or redis
    celery = {**celery_settings(broker), "task_default_queue": host.queue}
    return {
        "REDIS_URL": redis,
        "BROKER_URL": broker,
        "CACHES": {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": redis,
                "OPTIONS": {"socket_connect_timeout": CONNECT, "socket_timeout": ANSWER},
            }
        },
        **{f"CELERY_{name.upper()}": value for name, value in celery.items()},
    }
