"""Django's view of hosting: brings the commands that every host has."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class HostingConfig(AppConfig):
    """Makes the host's Celery app the one that ``shared_task`` belongs to, and lets the host
    register, and be registered with, by service tokens.
    """

    name = "modules.platform.hosting"
    label = "hosting"

    def ready(self) -> None:
        from django.conf import settings

        from modules.platform.discovery.service_tokens import install_service_tokens

        install_service_tokens()
        import_module(f"{settings.FICUS_HOST_PACKAGE}.celery")
