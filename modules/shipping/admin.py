"""Shipping's admin pages.

``Shipment`` has a row or more per order: its list searches by indexed columns only. The tariff is
edited over the API, whose use cases check it and tell this process to read it anew.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.dateparse import parse_date

from modules.platform.backoffice.admin import ModuleAdmin, ReadOnlyInline, use_case
from modules.shipping import queries
from modules.shipping.contract import ShipmentLine as Line
from modules.shipping.forms import DispatchForm, SplitForm
from modules.shipping.models import (
    Area,
    Bracket,
    Carrier,
    Holiday,
    Method,
    Rate,
    Shipment,
    ShipmentLine,
    Zone,
)
from modules.shipping.service import ShippingService

shipping = ShippingService()


class ShipmentLines(ReadOnlyInline):
    """What is in it."""

    model = ShipmentLine
    fields = ("sku", "name", "quantity")


@admin.register(Shipment)
class ShipmentAdmin(ModuleAdmin):
    """Parcels, and the pick list (a link per warehouse and day)."""

    list_display = (
        "order_number",
        "sequence",
        "state",
        "on_hold",
        "method",
        "warehouse",
        "pick_on",
        "promised_by",
        "tracking_number",
        "dispatched_at",
    )
    list_filter = ("state", "warehouse", "method")
    search_fields = ("=order_number", "=order_id", "=tracking_number")
    ordering = ("-id",)
    inlines = (ShipmentLines,)
    actions = ("pick", "dispatch_parcel", "deliver", "split", "cancel")
    readonly_fields = ("on_hold",)
    change_list_template = "shipping/shipments.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Shipment]:
        return queries.rows_with_hold().order_by(*self.ordering)

    @admin.display(description="on hold")
    def on_hold(self, row: Shipment) -> str:
        """Why it waits until its order is reviewed; empty: it does not."""
        return queries.hold_of(row)

    def has_fulfil_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm("shipping.fulfil_shipment"))

    def get_urls(self) -> list[URLPattern]:
        pick_list = self.admin_site.admin_view(self.pick_list)
        return [path("pick-list/", pick_list, name="shipping_pick_list"), *super().get_urls()]

    def pick_list(self, request: HttpRequest) -> HttpResponse:
        """What one warehouse is to pick, ready to print."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        try:
            day = parse_date(request.GET.get("day", ""))
        except ValueError:
            day = None
        picks = queries.pick_list(
            warehouse=request.GET.get("warehouse", "main")[:40],
            day=day or datetime.now(UTC).date(),
        )
        context = self.admin_site.each_context(request) | {
            "title": f"Pick list: {picks.warehouse}, {picks.day}",
            "picks": picks,
            "warehouses": queries.warehouses_to_pick(),
        }
        return TemplateResponse(request, "shipping/pick_list.html", context)

    @use_case("Begin to pick", permission="fulfil")
    def pick(self, request: HttpRequest, row: Shipment, reason: str) -> None:
        shipping.start_picking(shipment_id=row.id)

    @use_case("Dispatch", permission="fulfil", form=DispatchForm)
    def dispatch_parcel(
        self,
        request: HttpRequest,
        row: Shipment,
        *,
        tracking_number: str,
        lines: tuple[Line, ...],
        reason: str,
    ) -> str:
        shipping.dispatch(shipment_id=row.id, tracking_number=tracking_number, lines=lines)
        return "dispatched"

    @use_case("Mark as delivered", permission="fulfil")
    def deliver(self, request: HttpRequest, row: Shipment, reason: str) -> None:
        shipping.deliver(shipment_id=row.id)

    @use_case("Split off lines", permission="fulfil", form=SplitForm)
    def split(
        self, request: HttpRequest, row: Shipment, *, lines: tuple[Line, ...], reason: str
    ) -> str:
        shipping.split(shipment_id=row.id, lines=lines, expected_version=row.version)
        return "split"

    @use_case("Cancel", permission="fulfil")
    def cancel(self, request: HttpRequest, row: Shipment, reason: str) -> None:
        shipping.cancel_shipment(shipment_id=row.id, reason=reason)


class Areas(ReadOnlyInline):
    """Where a zone is."""

    model = Area
    fields = ("country", "region", "postal_prefix")


class Brackets(ReadOnlyInline):
    """What a rate costs."""

    model = Bracket
    fields = ("weight_from", "weight_below", "value_from", "value_below", "price")


@admin.register(Zone)
class ZoneAdmin(ModuleAdmin):
    """Places that cost the same to reach."""

    list_display = ("code", "name", "active")
    inlines = (Areas,)


@admin.register(Method)
class MethodAdmin(ModuleAdmin):
    """Ways of delivery."""

    list_display = ("code", "name", "carrier", "tax_basis_points", "active")
    list_select_related = ("carrier",)


@admin.register(Carrier)
class CarrierAdmin(ModuleAdmin):
    """Who drives."""

    list_display = ("code", "name", "tracking_template")


@admin.register(Rate)
class RateAdmin(ModuleAdmin):
    """What methods cost in zones."""

    list_display = ("zone", "method", "currency", "min_days", "max_days", "free_above")
    list_select_related = ("zone", "method")
    list_filter = ("zone", "method")
    inlines = (Brackets,)


@admin.register(Holiday)
class HolidayAdmin(ModuleAdmin):
    """Days on which nothing is picked; promised dates follow within seconds."""

    editable = True
    list_display = ("day", "name")
