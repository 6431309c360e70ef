"""The addresses of calls, for a host to include at ``rpc/``."""

from __future__ import annotations

from django.urls import path, re_path

from modules.platform.rpc import views

urlpatterns = [
    path("keys", views.keys),
    re_path(r"^(?P<module>[a-z][a-z0-9_]{0,62})/(?P<method>[a-z][a-z0-9_]{0,62})$", views.call),
]
