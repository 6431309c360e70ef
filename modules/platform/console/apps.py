"""Django's view of the console."""

from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Has no models; brings the commands of the platform."""

    name = "modules.platform.console"
    label = "console"
