"""The addresses of payment's host: those that every host has."""

from __future__ import annotations

from django.conf import settings

from modules.platform.hosting.urls import host_urls

urlpatterns = host_urls(settings.FICUS_MODULES)
