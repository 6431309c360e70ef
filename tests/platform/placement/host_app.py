"""Placement without calls, for a host whose modules have no services: queues go by the table."""

from __future__ import annotations

from django.apps import AppConfig


class QueuesConfig(AppConfig):
    """The tables of placement, and its queues."""

    name = "modules.platform.placement"
    label = "placement"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings

        from modules.platform.messaging.carrier import install_placement
        from modules.platform.placement.queueing import goes_to_service
        from modules.platform.placement.watching import watcher

        if settings.INSTANCE_ROLE == "own":  # the service's workers have a queue, and no say
            install_placement(goes_to_service(watcher().of))
