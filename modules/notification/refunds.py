"""A refund is told once: by the order's own message, or by one of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec
from django.db import connections

from modules.notification.contract import Channel
from modules.notification.domain import TemplateName
from modules.notification.models import OrderContact
from modules.platform.databases import alias_of

_TOLD = """
UPDATE notification_ordercontact SET refund_told = greatest(refund_told, %s) WHERE order_id = %s
"""


class Telling(Protocol):
    """What of a message is needed here."""

    @property
    def template(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def order_id(self) -> UUID | None: ...
    @property
    def variables(self) -> str: ...


def told(messages: Sequence[Telling]) -> Mapping[UUID, int]:
    """How much of each order's money people know to be on its way back, in minor units."""
    orders = {each.order_id for each in messages if _is_refund(each) and each.order_id is not None}
    if not orders:
        return {}
    rows = OrderContact.objects.filter(pk__in=orders).values_list("order_id", "refund_told")
    return dict(rows)


def is_told(message: Telling, known: Mapping[UUID, int]) -> bool:
    """Whether the message would repeat what another said already."""
    if not _is_refund(message) or message.order_id is None:
        return False
    return _refunded(message) <= known.get(message.order_id, 0)


def remember(messages: Sequence[Telling]) -> None:
    """A refund that one of ``messages`` told of need not be told by the next one's total."""
    for each in messages:
        if _is_refund(each):
            with connections[alias_of("notification")].cursor() as cursor:
                cursor.execute(_TOLD, [_refunded(each), each.order_id])


def _is_refund(message: Telling) -> bool:
    mail = message.channel != Channel.WEBHOOK  # endpoints get every event as it is
    return mail and message.template == TemplateName.ORDER_REFUNDED


def _refunded(message: Telling) -> int:
    """The order's total refunded when the event was published, in minor units."""
    total = msgspec.json.decode(message.variables)["refunded"]["amount"]
    return int(total)
