"""Logs are events with fields: one line each, JSON in production, for people in development."""

from __future__ import annotations

import logging
import logging.config
from functools import lru_cache
from typing import Any

import structlog
from celery.exceptions import Reject
from structlog.typing import EventDict, Processor, WrappedLogger

from modules.platform.contracts import current_context

# A field with one of these in its name never reaches a log.
SECRET_FIELDS = ("password", "secret", "token", "authorization", "card", "api_key", "cookie")


@lru_cache(maxsize=4096)
def _is_secret(field: str) -> bool:
    return any(part in field.lower() for part in SECRET_FIELDS)


def redact(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Blank fields whose name says that they are secret."""
    for field in event:
        if _is_secret(field):
            event[field] = "[redacted]"
    return event


def add_context(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Say which request and which correlation the event belongs to."""
    context = current_context()
    if context.request_id:
        event.setdefault("request_id", context.request_id)
    if context.correlation_id:
        event.setdefault("correlation_id", context.correlation_id)
    return event


class HandedBack(logging.Filter):
    """A task that is left to another host is one line; Celery adds a traceback, as of a fault."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], Reject):
            record.exc_info = None
        return True


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        add_context,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        redact,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderer(fmt: str) -> Processor:
    if fmt == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=False)


def logging_settings(*, fmt: str, level: str) -> dict[str, Any]:
    """A ``logging.config`` dictionary that renders everything, also the libraries' logs."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "event": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    _renderer(fmt),
                ],
                "foreign_pre_chain": _shared(),
            }
        },
        "filters": {"handed_back": {"()": HandedBack}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "event"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"level": "INFO", "handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            "django.request": {"level": "ERROR"},
            "axes": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "celery.app.trace": {"filters": ["handed_back"]},
            # Two lines for each queue of RabbitMQ: what it warns of, a task's ETA, is never used.
            "kombu.transport.native_delayed_delivery": {"level": "ERROR"},
            # Each attempt to connect; why it failed is in the error of whoever waited for it.
            "psycopg.pool": {"level": "ERROR"},
        },
    }


def configure(*, fmt: str, level: str) -> None:
    """Set up structlog and the standard library's logging. Idempotent."""
    logging.config.dictConfig(logging_settings(fmt=fmt, level=level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
