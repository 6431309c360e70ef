"""The table's address; the host that keeps it mounts it beside the registry's at ``registry/``."""

from __future__ import annotations

from django.urls import path

from modules.platform.placement import views

urlpatterns = [path("placement", views.placement)]
