"""Django's view of operators; installed where accounts is not."""

from __future__ import annotations

from django.apps import AppConfig


class OperatorsConfig(AppConfig):
    """One row per member of staff that was seen here."""

    name = "modules.platform.operators"
    label = "operators"
    default_auto_field = "django.db.models.BigAutoField"
