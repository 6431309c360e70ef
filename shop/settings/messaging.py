"""Celery carries the bus; see modules/platform/messaging."""

from __future__ import annotations

from modules.platform.messaging.carrier import celery_settings
from shop.servers import redis_url
from shop.settings.base import FICUS_HOME, env

REDIS_URL = env.read("REDIS_URL") or redis_url(FICUS_HOME)
BROKER_URL = env.read("BROKER_URL") or REDIS_URL
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}

for _name, _value in celery_settings(BROKER_URL).items():
    globals()[f"CELERY_{_name.upper()}"] = _value
