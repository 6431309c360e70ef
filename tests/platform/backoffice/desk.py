"""An operator's desk: actions sent to inventory's stock page, and what comes of them."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.test import Client

from modules.inventory.models import Movement, Stock
from tests.modules.inventory.shop import stocked

STOCK = "/admin/inventory/stock/"


def shelved(**levels: int) -> list[Stock]:
    """SKUs with so many on hand, in the order of their names."""
    stocked("main", **levels)
    return list(Stock.objects.order_by("sku"))


def send(client: Client, action: str, rows: list[Stock], **fields: object) -> Any:
    """Choose rows and an action; with ``fields`` the action's form is sent as well."""
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows], **fields}
    return client.post(STOCK, data, follow=True)


def told(answer: Any) -> list[tuple[str, str]]:
    """The messages on the page: level and text."""
    return [(message.level_tag, message.message) for message in answer.context["messages"]]


def adjustments() -> list[tuple[str, int, str, str]]:
    """What was booked by hand: SKU, by how much, why, by whom."""
    booked = Movement.objects.filter(kind="adjust").order_by("sku", "id")
    return list(booked.values_list("sku", "on_hand", "reason", "actor"))


def audited() -> list[tuple[str, str, str]]:
    """The audit log: which row, what with the reason, by whom."""
    entries = LogEntry.objects.order_by("object_repr", "id").select_related("user")
    return [(e.object_repr, e.change_message, str(e.user)) for e in entries]
