"""Django's view of sagas."""

from __future__ import annotations

from django.apps import AppConfig


class SagasConfig(AppConfig):
    """Registered in every host."""

    name = "modules.platform.sagas"
    label = "sagas"
    default_auto_field = "django.db.models.BigAutoField"
