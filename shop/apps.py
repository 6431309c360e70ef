"""The host itself as a Django app: it brings the commands that span modules."""

from __future__ import annotations

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Has no models; first of all apps, so that its commands come before the platform's."""

    name = "shop"
    label = "shop"
