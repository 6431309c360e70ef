"""Addresses of the admin that are no page of a model; a host includes them at ``admin/``."""

from __future__ import annotations

from django.urls import path

from modules.accounts.passes import give_pass

urlpatterns = [path("pass/<slug:module>/", give_pass)]
