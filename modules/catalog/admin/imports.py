"""Imports: what was loaded when, a page to load a CSV with a look first, and the export."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from modules.catalog.admin.editing import now
from modules.catalog.exporting import export_pieces
from modules.catalog.importing.rows import COLUMNS, BadHeader
from modules.catalog.importing.run import ImportReport, import_products, open_source
from modules.catalog.models import ImportRun
from modules.platform.backoffice.admin import ModuleAdmin, staff_context
from modules.platform.contracts import ContractError, call_context


class ImportForm(forms.Form):
    """A file, and whether it is only looked at."""

    file = forms.FileField(widget=UnfoldAdminFileFieldWidget)
    what = forms.ChoiceField(
        choices=[("look", "Only look: change nothing"), ("load", "Load it")],
        widget=UnfoldAdminSelectWidget,
    )
    atomic = forms.BooleanField(
        required=False,
        label="Nothing if any row is bad",
        widget=UnfoldBooleanSwitchWidget,
    )


@admin.register(ImportRun)
class ImportRunAdmin(ModuleAdmin):
    """One row per file and try; the actions at the top import and export."""

    list_display = (
        "source",
        "state",
        "started_at",
        "finished_at",
        "created",
        "changed",
        "unchanged",
        "refused",
        "stocked",
        "started_by",
    )
    list_filter = ("state",)
    ordering = ("-started_at",)
    actions_list = ("import_page", "export_file")

    def has_import_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("catalog.change_product"))

    @action(description="Import products", url_path="import", permissions=["import"])
    def import_page(self, request: HttpRequest) -> HttpResponse:
        form = ImportForm(request.POST or None, request.FILES or None)
        report = self._import(request, form) if form.is_valid() else None
        context: dict[str, Any] = self.admin_site.each_context(request) | {
            "title": "Import products",
            "form": form,
            "report": report,
            "columns": ", ".join(COLUMNS),
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "catalog/import.html", context)

    @action(description="Export products", url_path="export", permissions=["import"])
    def export_file(self, request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(
            (text for _, text in export_pieces()),
            content_type="text/csv",
            headers={"Content-Disposition": 'attachment; filename="products.csv"'},
        )

    def _import(self, request: HttpRequest, form: ImportForm) -> ImportReport | None:
        upload = form.cleaned_data["file"]
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            for chunk in upload.chunks():
                file.write(chunk)
            file.flush()
            try:
                with call_context(staff_context(request)):
                    return import_products(
                        open_source(Path(file.name), name=upload.name or "upload.csv"),
                        now=now(),
                        by=str(request.user),
                        dry_run=form.cleaned_data["what"] == "look",
                        all_or_nothing=form.cleaned_data["atomic"],
                    )
            except (BadHeader, ContractError) as error:
                messages.error(request, str(error))
                return None
