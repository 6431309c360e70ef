"""What a host that places mounts."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("registry/", include("modules.platform.discovery.urls")),
    path("registry/", include("modules.platform.placement.urls")),
    path("admin/", admin.site.urls),
]
