"""Orders whose goods must not leave, for a person has to look at them first.

A hold is of an order and not of its shipments: it may come before the first of them is made, and
those that are split off later are on hold as well. Functions work in the transaction that is open.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from modules.shipping.domain import HERE
from modules.shipping.models import Hold, Shipment
from modules.shipping.service.parcels import lock_order, update


def put_on_hold(order_id: UUID, *, reason: str, now: datetime) -> None:
    """Nothing of the order is picked or leaves from now on; what has left, has."""
    here = _here(order_id)
    defaults = {"reason": reason[:1000], "at": now}
    _, is_new = Hold.objects.update_or_create(order_id=order_id, defaults=defaults)
    for shipment in here if is_new else ():
        update(shipment)  # its representation says so


def take_off_hold(order_id: UUID) -> None:
    """It goes on as if nothing had been."""
    here = _here(order_id)
    deleted, _ = Hold.objects.filter(order_id=order_id).delete()
    for shipment in here if deleted else ():
        update(shipment)


def _here(order_id: UUID) -> list[Shipment]:
    """What has not left, locked: nobody dispatches it meanwhile."""
    return [shipment for shipment in lock_order(order_id) if shipment.state in HERE]
