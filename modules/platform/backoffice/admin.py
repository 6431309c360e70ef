"""``ModuleAdmin``: the base of every admin page, and what a module's ``admin.py`` is made of."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from modules.platform.backoffice.actions import staff_context, use_case
from modules.platform.backoffice.paging import EstimatingPaginator

__all__ = ["ModuleAdmin", "ReadOnlyInline", "staff_context", "use_case"]


class ReadOnlyInline(TabularInline):
    """Rows that belong to the shown one; nobody edits them by hand."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ModuleAdmin(ModelAdmin):
    """Read-only unless ``editable``; made for tables of any size: no full counts.

    A use case that must not bypass its module's rules is an action made with ``use_case``.
    """

    editable: ClassVar[bool] = False
    show_full_result_count = False
    paginator = EstimatingPaginator
    list_per_page = 50
    compressed_fields = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.editable and bool(super().has_add_permission(request))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.editable and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.editable and bool(super().has_delete_permission(request, obj))
