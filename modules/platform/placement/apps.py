"""Django's view of placement: installed by the host that places modules, after their apps."""

from __future__ import annotations

from django.apps import AppConfig


class PlacementConfig(AppConfig):
    """Splits the ways that the modules have bound."""

    name = "modules.platform.placement"
    label = "placement"
    verbose_name = "Placement"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from modules.platform.placement.installing import install

        install()
