"""Whom an order's messages go to, kept by notification itself: other events carry no address."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connections

from modules.notification.contract import ContactUnknown
from modules.notification.models import OrderContact
from modules.platform.contracts import Money
from modules.platform.databases import alias_of

_KEEP = """
INSERT INTO notification_ordercontact (order_id, number, owner, email, locale, refund_told)
VALUES (%s, %s, %s, %s, %s, 0) ON CONFLICT (order_id) DO NOTHING
"""
_TELL = "UPDATE notification_ordercontact SET refund_told = refund_told + %s WHERE order_id = %s"


def keep(*, order_id: UUID, number: str, owner: str, email: str, locale: str) -> None:
    """Remember the order's contact; the first one stays."""
    _execute(_KEEP, [order_id, number, owner, email, locale])


def of_order(order_id: UUID) -> OrderContact:
    """The order's contact. Raises ContactUnknown while its own event is on the way."""
    contact = OrderContact.objects.filter(pk=order_id).first()
    if contact is None:
        raise ContactUnknown(order_id=order_id)
    return contact


def tell_refund(*, order_id: UUID, amount: Money) -> None:
    """Note that a message about the order says ``amount`` goes back."""
    _execute(_TELL, [amount.amount, order_id])


def _execute(sql: str, values: list[Any]) -> None:
    with connections[alias_of("notification")].cursor() as cursor:
        cursor.execute(sql, values)
