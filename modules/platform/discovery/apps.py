"""Django's view of discovery: only the host that keeps the registry installs it."""

from __future__ import annotations

from django.apps import AppConfig


class DiscoveryConfig(AppConfig):
    """Brings the registry's tables, its pages and its commands."""

    name = "modules.platform.discovery"
    label = "discovery"
    verbose_name = "Service registry"
    default_auto_field = "django.db.models.BigAutoField"
