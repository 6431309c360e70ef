"""The control plane's tables for operators: a few rows a day while something moves, kept for good.

Nothing is edited: what is done is done by the dashboard's buttons or ``manage.py strangler``.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from modules.extraction.models import Capability, Receipt, Step
from modules.platform.backoffice.admin import ModuleAdmin


@admin.register(Capability)
class CapabilityPage(ModuleAdmin):
    """In the menu; its pages are the dashboard's."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("extraction_overview"))

    def change_view(self, request: HttpRequest, object_id: str, *more: Any, **other: Any) -> Any:
        return HttpResponseRedirect(reverse("extraction_module", args=[object_id]))


@admin.register(Step)
class StepPage(ModuleAdmin):
    """Every step that there was."""

    list_display = ("id", "module", "verb", "started_at", "ended_at", "outcome", "actor", "reason")
    list_filter = ("module", "verb", "outcome")
    search_fields = ("actor", "reason")
    ordering = ("-id",)


@admin.register(Receipt)
class ReceiptPage(ModuleAdmin):
    """Every change of authority, as it was signed."""

    list_display = ("id", "module", "kind", "epoch", "made_at", "step")
    list_filter = ("module", "kind")
    list_select_related = ("step",)
    ordering = ("-id",)
