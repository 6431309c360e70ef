"""The operators' page: who came here and what they may do. A row per member of staff: dozens."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group

from modules.platform.backoffice.admin import ModuleAdmin
from modules.platform.operators.models import Operator

# Permissions come with each operator's token; groups would promise what they do not keep.
admin.site.unregister(Group)


@admin.register(Operator)
class OperatorAdmin(ModuleAdmin):
    """Read-only: operators are made by their tokens."""

    list_display = ("label", "issuer", "is_superuser", "seen_at", "permitted_until")
    ordering = ("-seen_at",)
    search_fields = ("label",)
