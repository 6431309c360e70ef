"""The host itself as a Django app: it brings the commands that span modules."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Has no models. Makes the shop's Celery app the one that ``shared_task`` belongs to."""

    name = "shop"
    label = "shop"

    def ready(self) -> None:
        import_module("shop.celery")
