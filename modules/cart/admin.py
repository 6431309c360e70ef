"""Cart's admin pages. ``Cart`` has one row per visitor who put something in; ``Coupon`` some
hundreds; ``CouponUse`` one per order with a coupon. Carts are only looked at; coupons are kept
through their use cases.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from modules.cart.models import Cart, Coupon, CouponUse, Line
from modules.cart.service import coupons
from modules.platform.backoffice.admin import ModuleAdmin, ReadOnlyInline, use_case
from modules.platform.contracts import ContractError


class LineInline(ReadOnlyInline):
    """What is in the cart; prices are the catalogue's at each look."""

    model = Line
    fields = ("sku", "quantity", "seen_amount", "added_at")


@admin.register(Cart)
class CartAdmin(ModuleAdmin):
    """Carts by id or owner (``customer:<uuid>``)."""

    list_display = ("id", "owner", "state", "currency", "order_id", "created_at", "updated_at")
    list_filter = ("state",)
    search_fields = ("=id", "=owner", "=order_id")
    ordering = ("-id",)
    inlines = (LineInline,)


class CouponForm(forms.ModelForm):  # type: ignore[type-arg]
    """A coupon; its code is kept in capitals and its kind never changes."""

    class Meta:
        model = Coupon
        fields = ("code", *coupons.FIELDS)

    def clean_code(self) -> str:
        return str(self.cleaned_data["code"]).strip().upper()


class UseInline(ReadOnlyInline):
    """The orders that have the coupon, newest first."""

    model = CouponUse
    fields = ("order_id", "owner", "used_at")
    ordering = ("-id",)
    max_num = 50


@admin.register(Coupon)
class CouponAdmin(ModuleAdmin):
    """Coupons, and who used them."""

    editable = True
    form = CouponForm
    list_display = (
        "code",
        "kind",
        "basis_points",
        "amount",
        "currency",
        "used",
        "usage_limit",
        "starts_at",
        "ends_at",
        "active",
    )
    list_filter = ("kind", "active")
    search_fields = ("^code",)
    ordering = ("-id",)
    inlines = (UseInline,)
    actions = ("switch_off",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("code", "kind", "used") if obj is not None else ("used",)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            found: HttpResponse = super().changeform_view(
                request, object_id, form_url, extra_context
            )
        except ContractError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.path)
        return found

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # coupons are switched off: orders refer to them

    def save_model(self, request: HttpRequest, obj: Coupon, form: Any, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in coupons.FIELDS if name in form.fields}
        if change:
            made = coupons.change_coupon(code=obj.code, values=given)
        else:
            made = coupons.create_coupon(code=obj.code, values=given, now=datetime.now(UTC))
        obj.__dict__.update(made.__dict__)
        obj._state.adding = False

    @use_case("Switch off", permission="change")
    def switch_off(self, request: HttpRequest, row: Coupon, reason: str) -> str:
        coupons.change_coupon(code=row.code, values={"active": False})
        return "switched off"
