"""Django's view of the backoffice."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


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


class PagesConfig(SimpleAdminConfig):
    """``django.contrib.admin``, with pages that are found when a host's addresses are: workers,
    relays and most commands have none, and start without them.
    """

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_pages, checks.Tags.admin)


def _check_pages(**asked: Any) -> list[checks.CheckMessage]:
    from django.contrib import admin

    admin.autodiscover()
    return check_admin_app(**asked)
