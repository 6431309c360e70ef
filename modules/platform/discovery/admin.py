"""The registry for operators: who is there, how old the last word is, how much is under way.

At most a thousand rows; read from one small table. Nothing is edited: what an instance is, it
says itself. Dropping one is an action that asks why.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import BooleanField, Case, Model, QuerySet, Value, When
from django.db.models.functions import Now
from django.http import HttpRequest
from unfold.decorators import display

from modules.platform.backoffice.admin import ModuleAdmin, use_case
from modules.platform.discovery import registry
from modules.platform.discovery.models import AnnouncedContract, RegisteredInstance
from modules.platform.discovery.registry import State

LABELS = {State.LIVE: "success", State.EXPIRED: "warning", State.DROPPED: "danger"}


@admin.register(RegisteredInstance)
class InstancePage(ModuleAdmin):
    """Instances, live or not."""

    list_display = (
        *("id", "module", "state", "role", "url", "grpc_url"),
        *("age", "load", "version", "contract"),
    )
    list_filter = ("module", "role")
    search_fields = ("=id", "=url")
    ordering = ("module", "id")
    actions = ("drop", "restore")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        is_fresh = Case(
            When(expires_at__gt=Now(), then=Value(True)),
            default=Value(False),
            output_field=BooleanField(),
        )
        rows: QuerySet[Any] = super().get_queryset(request)
        found: QuerySet[Any] = rows.annotate(is_fresh=is_fresh, asked_at=Now())
        return found

    def has_drop_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm("discovery.drop_registeredinstance"))

    @display(description="State", label=LABELS)
    def state(self, row: Any) -> State:
        if row.dropped_at:
            return State.DROPPED
        return State.LIVE if row.is_fresh else State.EXPIRED

    @admin.display(description="Heard of", ordering="-seen_at")
    def age(self, row: Any) -> str:
        return age_text(row.asked_at - row.seen_at)

    @admin.display(description="Load")
    def load(self, row: Any) -> str:
        under_way = "?" if row.in_flight is None else row.in_flight
        return f"{under_way} of {row.capacity}"

    @use_case("List it no longer", permission="drop")
    def drop(self, request: HttpRequest, row: Any, *, reason: str) -> str:
        registry.drop(row.id, reason=reason)
        return "not listed any more"

    @use_case("List it again", permission="drop")
    def restore(self, request: HttpRequest, row: Any, *, reason: str) -> str:
        registry.restore(row.id, reason=reason)
        return "listed again, if it is heard of"


@admin.register(AnnouncedContract)
class ContractPage(ModuleAdmin):
    """The contracts that instances have announced."""

    list_display = ("fingerprint", "module", "announced_at")
    list_filter = ("module",)
    search_fields = ("=fingerprint",)
    ordering = ("module", "-announced_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.defer("schema") if "/change/" not in request.path else rows


def age_text(age: timedelta) -> str:
    """``4.2 s ago``, ``7 min ago``, ``3 h ago``."""
    seconds = max(0.0, age.total_seconds())
    if seconds < 120:
        return f"{seconds:.1f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 7200 else f"{seconds / 3600:.0f} h ago"
