"""What a host of payment installs: here, a name instead of a signature."""

from __future__ import annotations

from django.apps import AppConfig

from modules.platform.discovery.access import install_credentials


class NamedConfig(AppConfig):
    """Shows ``payment`` to the registry."""

    name = "tests.platform.discovery"
    label = "named_host"

    def ready(self) -> None:
        install_credentials(lambda call, body: "payment")
