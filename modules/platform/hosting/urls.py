"""A host's addresses: each module's REST under its own name, calls, the admin, the probes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from modules.platform.databases.aliases import ACCOUNTS
from modules.platform.hosting.rooms import has_rest, rooms
from modules.platform.observability.probes import livez, metrics, readyz
from modules.platform.rest.docs import ProblemCodeList, docs_view, schema_view

Address = URLPattern | URLResolver


def host_urls(modules: Sequence[str]) -> list[Address]:
    """All addresses of a host that composes ``modules``."""
    admin.autodiscover()
    return [
        path("livez", livez),
        path("readyz", readyz),
        path("metrics", metrics),
        path("api/v1/schema", schema_view, name="schema"),
        path("api/v1/docs", docs_view, name="docs"),
        path("api/v1/problems", ProblemCodeList.as_view()),
        *(path(f"api/v1/{m}", include(f"modules.{m}.rest.urls")) for m in modules if has_rest(m)),
        path("rpc/", include("modules.platform.rpc.urls")),
        path("admin", RedirectView.as_view(url="/admin/")),
        *_sign_in(modules),
        path("admin/", admin.site.urls),
    ]


def _sign_in(modules: Sequence[str]) -> Iterator[Address]:
    """Accounts gives passes for the other hosts' admin. Without it there are no passwords:
    operators come with a token.
    """
    for found in rooms((*modules, *settings.FICUS_CONTROL_PLANE), "admin_urls"):
        yield path("admin/", include(found))
    if ACCOUNTS not in modules:
        from modules.platform.operators.views import no_passes, sign_in

        yield path("admin/login/", sign_in)
        yield path("admin/pass/<path:path>", no_passes)
