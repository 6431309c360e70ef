"""Django's view of hosting: brings the commands that every host has."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig

from modules.platform.databases.aliases import OWN
from modules.platform.hosting import collector
from modules.platform.hosting.host import Host


class HostingConfig(AppConfig):
    """Makes the host's Celery app the one that ``shared_task`` belongs to, and lets the host
    register, and be registered with, by service tokens. A service with a database of its own
    leaves events and periods alone for as long as that database says that they are another's.
    """

    name = "modules.platform.hosting"
    label = "hosting"

    def ready(self) -> None:
        from django.conf import settings

        from modules.platform.discovery.service_tokens import install_service_tokens

        install_service_tokens()
        _ask_the_database(import_module(f"{settings.FICUS_HOST_PACKAGE}.host").HOST)
        import_module(f"{settings.FICUS_HOST_PACKAGE}.celery")
        collector.go_on()


def _ask_the_database(host: Host) -> None:
    from django.conf import settings

    from modules.platform.databases.ownership import OwnDatabase
    from modules.platform.messaging.authority import install_authority

    if host.standalone and settings.INSTANCE_ROLE == OWN:
        install_authority(OwnDatabase().has)
