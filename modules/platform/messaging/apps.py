"""Django's view of the bus: its tables stand in every module's schema."""

from __future__ import annotations

from django.apps import AppConfig


class MessagingConfig(AppConfig):
    """Events, timers and their delivery."""

    name = "modules.platform.messaging"
    label = "messaging"
    verbose_name = "Event bus"
    default_auto_field = "django.db.models.BigAutoField"
