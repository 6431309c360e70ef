"""Wires notification into its host."""

from __future__ import annotations

from modules.platform.binding.apps import ModuleConfig


class NotificationConfig(ModuleConfig):
    """The module as a Django app."""

    name = "modules.notification"
    label = "notification"

    def ready(self) -> None:
        from modules.notification.contract import Notification
        from modules.notification.handlers import HANDLERS
        from modules.notification.service import NotificationService
        from modules.platform.binding import bind
        from modules.platform.messaging import subscribe

        bind(Notification, NotificationService())
        subscribe("notification", HANDLERS)
