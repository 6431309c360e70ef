"""Django's view of the edge."""

from __future__ import annotations

from django.apps import AppConfig


class RestConfig(AppConfig):
    """Keeps the idempotency records, in every module's schema."""

    name = "modules.platform.rest"
    label = "rest"
    default_auto_field = "django.db.models.BigAutoField"
