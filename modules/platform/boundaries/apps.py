"""Django's view of boundaries."""

from __future__ import annotations

from django.apps import AppConfig


class BoundariesConfig(AppConfig):
    """Registered in every host; guards the tables where the settings ask for it."""

    name = "modules.platform.boundaries"
    label = "boundaries"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings

        if settings.TABLE_GUARD:
            from modules.platform.databases.guard import install_guard

            install_guard()
