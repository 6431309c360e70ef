"""The shop's addresses: every host's, uploaded media, and the registry of services."""

from __future__ import annotations

from django.conf import settings
from django.urls import include, path

from modules.platform.hosting.urls import host_urls
from shop.media import media

urlpatterns = [
    *host_urls(settings.FICUS_MODULES),
    path("media/<path:path>", media),
    path("registry/", include("modules.platform.discovery.urls")),
    path("registry/", include("modules.platform.placement.urls")),
]
