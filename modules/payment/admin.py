"""Payments for operators: one row per order's payment (grows with orders, searched by id or
reference), with its attempts, ledger, refunds and webhooks. Money moves by use cases only.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from modules.payment.contract import CapturePayment, RefundPayment
from modules.payment.models import Attempt, LedgerEntry, Payment, Refund, WebhookMessage
from modules.payment.service import PaymentService
from modules.platform.backoffice.admin import ModuleAdmin, ReadOnlyInline, use_case
from modules.platform.backoffice.forms import KeyedForm
from modules.platform.contracts import Money
from modules.platform.rest.identifiers import ids


class AttemptInline(ReadOnlyInline):
    """What the provider was asked."""

    model = Attempt
    fields = ("operation", "attempt", "amount", "state", "sends", "error", "created_at")
    readonly_fields = fields
    ordering = ("id",)
    show_change_link = False


class LedgerInline(ReadOnlyInline):
    """What moved."""

    model = LedgerEntry
    fields = ("at", "kind", "debit", "credit", "amount", "currency", "source")
    readonly_fields = fields
    ordering = ("id",)
    show_change_link = False


class RefundInline(ReadOnlyInline):
    """What went back."""

    model = Refund
    fields = ("created_at", "state", "amount", "reason", "reference", "error")
    readonly_fields = fields
    ordering = ("id",)
    show_change_link = False


class WebhookInline(ReadOnlyInline):
    """What the provider told by itself."""

    model = WebhookMessage
    fields = ("received_at", "type", "message_id", "state", "tries", "error")
    readonly_fields = fields
    ordering = ("id",)
    show_change_link = False


@admin.register(Payment)
class PaymentAdmin(ModuleAdmin):
    """Payments, newest first."""

    list_display = ("id", "order", "state", "total", "taken", "returned", "provider", "created_at")
    list_filter = ("state", "claim", "provider", "stray")
    search_fields = ("id__exact", "order_id__exact", "reference__exact")
    search_help_text = "A payment's or an order's id, or the provider's reference, in full"
    ordering = ("-id",)
    inlines = (AttemptInline, LedgerInline, RefundInline, WebhookInline)
    actions = ("refund", "capture", "void")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Understands ``pay_`` and ``ord_`` ids; anything else is a provider's reference."""
        term = search_term.strip()
        for prefix, field in (("pay", "id"), ("ord", "order_id")):
            if term.startswith(f"{prefix}_"):
                try:
                    return queryset.filter(**{field: ids(prefix).parse(term)}), False
                except ValueError:
                    return queryset.none(), False
        if not term:
            return queryset, False
        return queryset.filter(reference=term), False

    @admin.display(description="order")
    def order(self, row: Payment) -> str:
        return ids("ord").text(row.order_id)

    @admin.display(description="amount", ordering="amount")
    def total(self, row: Payment) -> str:
        return str(Money(amount=row.amount, currency=row.currency))

    @admin.display(description="captured", ordering="captured")
    def taken(self, row: Payment) -> str:
        return str(Money(amount=row.captured, currency=row.currency))

    @admin.display(description="refunded", ordering="refunded")
    def returned(self, row: Payment) -> str:
        return str(Money(amount=row.refunded, currency=row.currency))

    def has_refund_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payment.refund_payment")

    def has_capture_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payment.capture_payment")

    def has_void_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payment.void_payment")

    @use_case("Refund all that is left", permission="refund", form=KeyedForm)
    def refund(self, request: HttpRequest, row: Payment, *, reason: str, key: str) -> str:
        command = RefundPayment(
            idempotency_key=key, order_id=row.order_id, reason=reason, payment_id=row.id
        )
        done = PaymentService().refund(command)
        return f"refund of {done.amount} {done.state}"

    @use_case("Capture all that is left", permission="capture", form=KeyedForm)
    def capture(self, request: HttpRequest, row: Payment, *, reason: str, key: str) -> str:
        command = CapturePayment(idempotency_key=key, order_id=row.order_id, payment_id=row.id)
        return f"{PaymentService().capture(command).captured} captured in all"

    @use_case("Void the authorization", permission="void")
    def void(self, request: HttpRequest, row: Payment, reason: str) -> str:
        record = PaymentService().void(order_id=row.order_id, reason=reason, payment_id=row.id)
        return f"now {record.state}"


@admin.register(WebhookMessage)
class WebhookAdmin(ModuleAdmin):
    """The webhook inbox: what is parked names nothing that is known here (yet)."""

    list_display = ("received_at", "provider", "type", "state", "tries", "reference", "error")
    list_filter = ("state", "provider")
    search_fields = ("message_id__exact", "reference__exact")
    list_select_related = ("payment",)
    ordering = ("-id",)
