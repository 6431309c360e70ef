"""Orders for operators: 1M rows and more, found by number, e-mail or id; newest first by index.

An order's page shows its lines, timeline and returns, its sagas, and what payment, shipping and
notification have of it, asked through their contracts: where one does not answer, it says so.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from modules.orders.domain.numbers import looks_like_number
from modules.orders.models import ImportCheckpoint, Order, OrderLine, Return, TimelineEntry
from modules.orders.service import others
from modules.orders.service.cancellation import CancelOrder, cancel
from modules.orders.service.review import mark_reviewed
from modules.orders.service.stuck import retry_stuck
from modules.platform.backoffice.admin import ModuleAdmin, ReadOnlyInline, use_case
from modules.platform.contracts import Money, current_context
from modules.platform.rest.identifiers import ids


class LineInline(ReadOnlyInline):
    """What was bought."""

    model = OrderLine
    fields = ("sku", "name", "quantity", "unit_price", "discount", "total", "cancelled", "returned")
    readonly_fields = fields
    ordering = ("position",)
    show_change_link = False


class TimelineInline(ReadOnlyInline):
    """What happened."""

    model = TimelineEntry
    fields = ("at", "kind", "detail", "actor")
    readonly_fields = fields
    ordering = ("id",)
    show_change_link = False


class ReturnInline(ReadOnlyInline):
    """What comes back."""

    model = Return
    fields = ("id", "state", "reason", "amount", "created_at")
    readonly_fields = fields
    ordering = ("created_at",)
    show_change_link = False


@admin.register(Order)
class OrderAdmin(ModuleAdmin):
    """Orders, newest first."""

    list_display = (
        "number",
        "state",
        "payment_state",
        "fulfilment_state",
        "email",
        "sum",
        "placed_at",
    )
    list_filter = ("state", "payment_state", "fulfilment_state", "source")
    search_fields = ("number__exact",)
    search_help_text = "An order's number, its id, or a customer's e-mail address, in full"
    ordering = ("-placed_at", "-id")
    inlines = (LineInline, ReturnInline, TimelineInline)
    actions = ("cancel_orders", "mark_as_reviewed", "retry_sagas")
    readonly_fields = ("sum", "sagas", "payments", "shipments", "messages")
    fieldsets = (
        (None, {"fields": ("number", "state", "payment_state", "fulfilment_state", "sum")}),
        ("Trouble", {"fields": ("failure_code", "failure_detail", "review_reason", "next_action")}),
        (
            "Shopper",
            {"fields": ("email", "owner", "locale", "shipping_address", "billing_address")},
        ),
        (
            "Amounts, in minor units",
            {
                "fields": (
                    "currency",
                    "subtotal",
                    "discount",
                    "shipping",
                    "tax",
                    "total",
                    "refunded",
                )
            },
        ),
        (
            "Elsewhere",
            {
                "fields": (
                    "sagas",
                    "payments",
                    "shipments",
                    "messages",
                    "payment_method",
                    "shipping_method",
                )
            },
        ),
        ("Record", {"fields": ("source", "cart_id", "external_ref", "placed_at", "version")}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By number, e-mail or ``ord_`` id, each through its index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if "@" in term:
            return queryset.filter(email=term.lower()), False
        if looks_like_number(term):
            return queryset.filter(number=term.upper()), False
        try:
            order_id = ids("ord").parse(term) if term.startswith("ord_") else UUID(term)
        except ValueError:
            return queryset.filter(number=term.upper()), False
        return queryset.filter(id=order_id), False

    @admin.display(description="Total", ordering="total")
    def sum(self, order: Order) -> str:
        return str(Money(amount=order.total, currency=order.currency))

    @admin.display(description="Sagas")
    def sagas(self, order: Order) -> SafeString:
        rows = [
            (f"/admin/sagas/sagarow/orders/{saga.id}/", f"{saga.type}: {saga.phase}", saga.detail)
            for saga in others.sagas_of(order.id)
        ]
        links = format_html_join("", '<li><a href="{}">{}</a> {}</li>', rows)
        return format_html("<ul>{}</ul>", links)

    @admin.display(description="Payments")
    def payments(self, order: Order) -> SafeString:
        return _list(others.payments_of(order.id))

    @admin.display(description="Shipments")
    def shipments(self, order: Order) -> SafeString:
        return _list(others.shipments_of(order.id))

    @admin.display(description="Messages")
    def messages(self, order: Order) -> SafeString:
        return _list(others.messages_of(order.id))

    @use_case("Cancel the order", permission="cancel")
    def cancel_orders(self, request: HttpRequest, row: Order, reason: str) -> str:
        actor = current_context().actor.label
        done = cancel(CancelOrder(order_id=row.id, reason=reason, actor=actor))
        return "being cancelled" if done.pending else "cancelled"

    @use_case("Mark as reviewed", permission="review")
    def mark_as_reviewed(self, request: HttpRequest, row: Order, reason: str) -> str:
        return f"reviewed, now {mark_reviewed(row.id, reason=reason)}"

    @use_case("Try its stuck steps again", permission="review")
    def retry_sagas(self, request: HttpRequest, row: Order, reason: str) -> str:
        return f"{retry_stuck(row.id, reason=reason)} steps are tried again"

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.cancel_order"))

    def has_review_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.review_order"))


def _list(lines: list[str]) -> SafeString:
    shown = ((line,) for line in lines or ["none"])
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", shown))


@admin.register(ImportCheckpoint)
class ImportCheckpointAdmin(ModuleAdmin):
    """How far imports of historic orders have come."""

    list_display = ("path", "rows", "orders", "done", "updated_at")
    ordering = ("-updated_at",)
