"""Logs as events with fields; see modules/platform/observability."""

from __future__ import annotations

from modules.platform.observability.logs import logging_settings
from shop.settings.base import env

LOG_FORMAT = env.read("LOG_FORMAT")
LOG_LEVEL = env.read("LOG_LEVEL")
LOGGING_CONFIG = None
LOGGING = logging_settings(fmt=LOG_FORMAT, level=LOG_LEVEL)
