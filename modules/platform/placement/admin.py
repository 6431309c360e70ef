"""Placements for operators: a dozen rows at most, and their log, which only grows by hand.

Nothing is edited: a share is set by an action that asks for it and why, and that refuses what the
command refuses. A module that was never placed has no row yet; the command places it first.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from modules.platform.backoffice.admin import ModuleAdmin, use_case
from modules.platform.backoffice.forms import ReasonForm
from modules.platform.placement.models import Placement, PlacementChange
from modules.platform.placement.placing import place


class ShareForm(ReasonForm):
    """How much, and why."""

    field_order = ("percent", "reason")
    percent = forms.IntegerField(
        min_value=0,
        max_value=100,
        label="Service, in percent",
        widget=UnfoldAdminIntegerFieldWidget(),
    )


@admin.register(Placement)
class PlacementPage(ModuleAdmin):
    """Where each module's work is done."""

    list_display = (
        "module",
        "percent",
        "revision",
        "silent_since",
        "changed_at",
        "actor",
        "reason",
    )
    ordering = ("module",)
    actions = ("move",)

    def has_place_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm("placement.place_placement"))

    @use_case("Have the service do a share of the work", permission="place", form=ShareForm)
    def move(self, request: HttpRequest, row: Any, *, percent: int, reason: str) -> str:
        change = place(row.module, percent=percent, reason=reason)
        late = [one.door for one in change.doors if not one.follows]
        waits = f"; {', '.join(late)} will follow" if late else ""
        return f"{change.before.percent} -> {change.after.percent} %{waits}"


@admin.register(PlacementChange)
class PlacementChangePage(ModuleAdmin):
    """Every change there was."""

    list_display = ("revision", "module", "before", "after", "changed_at", "actor", "reason")
    list_filter = ("module",)
    ordering = ("-revision",)
