"""Django's view of the backoffice."""

from __future__ import annotations

from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    """Brings the templates of the admin's own pages."""

    name = "modules.platform.backoffice"
    label = "backoffice"
