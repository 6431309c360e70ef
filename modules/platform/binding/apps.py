"""What every module's ``apps.py`` derives from."""

from __future__ import annotations

from django.apps import AppConfig


class ModuleConfig(AppConfig):
    """A bounded module as a Django app. Its ``ready()`` is the module's only wiring:

    ``bind(Port, Service())``, ``subscribe(name, HANDLERS)`` and nothing else.
    """

    default_auto_field = "django.db.models.BigAutoField"
