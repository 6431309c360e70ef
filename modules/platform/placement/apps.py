"""Django's view of placement: installed by the host that keeps the table, after its modules."""

from __future__ import annotations

from django.apps import AppConfig


class PlacementConfig(AppConfig):
    """Splits the ways that the modules have bound, where PLACE_MODULES says so: the others need
    not look at the table. And leads calls of modules that are not composed here to their hosts.
    """

    name = "modules.platform.placement"
    label = "placement"
    verbose_name = "Placement"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings

        from modules.platform.placement import elsewhere
        from modules.platform.placement.installing import install

        elsewhere.install()
        if settings.PLACE_MODULES:
            install()
