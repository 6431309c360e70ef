"""Django's view of the backoffice."""

from __future__ import annotations

from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    """Brings the admin's site and the templates of its own pages.

    Before ``django.contrib.admin`` in INSTALLED_APPS: modules' pages are registered with the site.
    """

    name = "modules.platform.backoffice"
    label = "backoffice"

    def ready(self) -> None:
        from django.contrib import admin
        from django.contrib.admin import sites

        from modules.platform.backoffice.site import BackofficeSite

        admin.site = sites.site = BackofficeSite()
