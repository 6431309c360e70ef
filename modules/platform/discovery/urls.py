"""The registry's addresses; a host mounts them: ``path("registry/", include(...))``."""

from __future__ import annotations

from django.urls import path

from modules.platform.discovery import views

urlpatterns = [
    path("instances", views.instances),
    path("instances/<str:id>", views.instance),
    path("instances/<str:id>/heartbeat", views.heartbeats),
    path("contracts/<str:fingerprint>", views.contracts),
]
