"""Inventory's admin pages.

``Stock`` has 100,000s of rows, ``Reservation`` one per order, ``Movement`` millions: lists search
by indexed columns only. Nothing is edited by hand; actions call the use cases.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F, Model, QuerySet
from django.http import HttpRequest

from modules.inventory.contract import ReleaseStock, StockLine
from modules.inventory.forms import AdjustForm, CountForm, TransferForm
from modules.inventory.models import (
    Movement,
    Notice,
    Reservation,
    ReservationLine,
    Stock,
    Warehouse,
)
from modules.inventory.service import InventoryService
from modules.platform.backoffice.admin import ModuleAdmin, ReadOnlyInline, use_case
from modules.platform.backoffice.forms import KeyedForm

inventory = InventoryService()


class ConditionFilter(admin.SimpleListFilter):
    """Stock that somebody should look at."""

    title = "condition"
    parameter_name = "condition"

    def lookups(self, request: HttpRequest, page: Any) -> list[tuple[str, str]]:
        return [("out", "Sold out"), ("low", "Low"), ("shortfall", "Promised but missing")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Stock]) -> QuerySet[Stock]:
        free = F("on_hand") - F("reserved") - F("allocated")
        match self.value():
            case "out":
                return rows.alias(free=free).filter(free__lte=0)
            case "low":
                return rows.alias(free=free).filter(
                    low_threshold__gt=0, free__lte=F("low_threshold")
                )
            case "shortfall":
                return rows.filter(shortfall__gt=0)
        return rows


@admin.register(Warehouse)
class WarehouseAdmin(ModuleAdmin):
    """Places with shelves; opened and changed over the API, which tells followers."""

    list_display = ("code", "name", "country", "priority", "active")


@admin.register(Stock)
class StockAdmin(ModuleAdmin):
    """What is on the shelves, and what of it is promised."""

    list_display = (
        "sku",
        "warehouse",
        "on_hand",
        "reserved",
        "allocated",
        "free",
        "shortfall",
        "backorderable",
        "low_threshold",
    )
    list_filter = ("warehouse", "backorderable", ConditionFilter)
    list_select_related = ("warehouse",)
    search_fields = ("^sku",)
    ordering = ("sku", "warehouse_id")
    actions = ("adjust", "count", "transfer", "allow_backorders", "stop_backorders")

    @admin.display(description="available")
    def free(self, row: Stock) -> int:
        return max(row.on_hand - row.reserved - row.allocated, 0)

    def has_move_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm("inventory.move_stock"))

    @use_case("Adjust by a difference", permission="move", form=AdjustForm)
    def adjust(self, request: HttpRequest, row: Stock, *, delta: int, reason: str, key: str) -> str:
        on_hand = inventory.adjust(
            sku=row.sku,
            warehouse=row.warehouse.code,
            delta=delta,
            reason=reason,
            idempotency_key=key,
        )
        return f"{on_hand} on hand"

    @use_case("Enter a count", permission="move", form=CountForm)
    def count(
        self, request: HttpRequest, row: Stock, *, counted: int, reason: str, key: str
    ) -> str:
        done = inventory.count(
            warehouse=row.warehouse.code,
            counts=[StockLine(sku=row.sku, quantity=counted)],
            reason=reason,
            idempotency_key=key,
        )
        return f"difference {done.lines[0].difference:+}"

    @use_case("Transfer to another warehouse", permission="move", form=TransferForm)
    def transfer(
        self,
        request: HttpRequest,
        row: Stock,
        *,
        quantity: int,
        target: Warehouse,
        reason: str,
        key: str,
    ) -> str:
        inventory.transfer(
            source=row.warehouse.code,
            target=target.code,
            lines=[StockLine(sku=row.sku, quantity=quantity)],
            reason=reason,
            idempotency_key=key,
        )
        return f"{quantity} moved to {target}"

    @use_case("Allow backorders", permission="move")
    def allow_backorders(self, request: HttpRequest, row: Stock, reason: str) -> None:
        inventory.change_sku(sku=row.sku, expected_version=None, reason=reason, backorderable=True)

    @use_case("Stop backorders", permission="move")
    def stop_backorders(self, request: HttpRequest, row: Stock, reason: str) -> None:
        inventory.change_sku(sku=row.sku, expected_version=None, reason=reason, backorderable=False)


class ReservationLines(ReadOnlyInline):
    """What is set aside, and where."""

    model = ReservationLine
    fields = ("sku", "warehouse", "quantity", "released", "dispatched")


@admin.register(Reservation)
class ReservationAdmin(ModuleAdmin):
    """What is set aside for orders."""

    list_display = ("order_id", "state", "is_final", "expires_at", "created_at")
    list_filter = ("state",)
    search_fields = ("=order_id",)
    ordering = ("-id",)
    inlines = (ReservationLines,)
    actions = ("release",)

    def has_release_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm("inventory.release_reservation"))

    @use_case("Release the stock", permission="release", form=KeyedForm)
    def release(self, request: HttpRequest, row: Reservation, *, reason: str, key: str) -> None:
        inventory.release(ReleaseStock(order_id=row.order_id, reason=reason, idempotency_key=key))


@admin.register(Movement)
class MovementAdmin(ModuleAdmin):
    """The ledger: append-only, newest first."""

    list_display = (
        "at",
        "sku",
        "warehouse",
        "kind",
        "on_hand",
        "reserved",
        "allocated",
        "actor",
        "reason",
    )
    list_select_related = ("warehouse",)
    search_fields = ("=sku", "=order_id")
    ordering = ("-id",)


@admin.register(Notice)
class NoticeAdmin(ModuleAdmin):
    """News of orders that is not settled yet; normally none is older than a second."""

    list_display = ("order_id", "kind", "received_at", "attempts", "next_at", "error")
    search_fields = ("=order_id",)
    ordering = ("received_at",)
