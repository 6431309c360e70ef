"""The shop's addresses: each module's REST under its own name, the admin, the probes."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from modules.platform.observability.probes import livez, metrics, readyz
from modules.platform.rest.docs import ProblemCodeList, docs_view, schema_view
from shop.media import media
from shop.rooms import has_rest


def module_urls(module: str) -> list[object]:
    """The module's REST urls under ``/api/v1/<module>``; none while it has no rest room."""
    if not has_rest(module):
        return []
    return [path(f"api/v1/{module}", include(f"modules.{module}.rest.urls"))]


urlpatterns = [
    path("livez", livez),
    path("readyz", readyz),
    path("metrics", metrics),
    path("api/v1/schema", schema_view, name="schema"),
    path("api/v1/docs", docs_view, name="docs"),
    path("api/v1/problems", ProblemCodeList.as_view()),
    *(entry for module in settings.FICUS_MODULES for entry in module_urls(module)),
    path("media/<path:path>", media),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
]
