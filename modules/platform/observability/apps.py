"""Django's view of observability: configures structlog once."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class ObservabilityConfig(AppConfig):
    """Sets up logging as soon as the apps are there."""

    name = "modules.platform.observability"
    label = "observability"

    def ready(self) -> None:
        from modules.platform.observability.logs import configure

        configure(fmt=settings.LOG_FORMAT, level=settings.LOG_LEVEL)
