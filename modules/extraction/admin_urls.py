"""Addresses of the dashboard; a host includes them at ``admin/``, before the pages of models."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path, register_converter
from django.urls.converters import StringConverter

from modules.extraction.dashboard import pressing, views
from modules.extraction.modules_here import movable_modules


class MovableModule(StringConverter):
    """The name of a module that may be moved; any other is somebody else's address."""

    def to_python(self, value: str) -> str:
        if value not in movable_modules():
            raise ValueError(value)
        return value


register_converter(MovableModule, "movable_module")
staff = admin.site.admin_view
HOME, ONE = "extraction/", "extraction/<movable_module:module>/"

urlpatterns = [
    path(HOME, staff(views.overview), name="extraction_overview"),
    path(f"{HOME}live/", staff(views.live), name="extraction_live"),
    path(ONE, staff(views.module_page), name="extraction_module"),
    path(f"{ONE}live/", staff(views.module_live), name="extraction_module_live"),
    path(f"{ONE}stop/", staff(pressing.stop), name="extraction_stop"),
    path(f"{ONE}do/<slug:verb>/", staff(pressing.verb_page), name="extraction_verb"),
]
