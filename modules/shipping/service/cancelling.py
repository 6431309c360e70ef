"""Stopping what has not left. Functions work in the transaction that is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from modules.platform.messaging import publish
from modules.shipping.contract import (
    AlreadyDispatched,
    CancelShipments,
    ShipmentCancelled,
    ShipmentLine,
    ShipmentState,
)
from modules.shipping.domain import GONE, HERE
from modules.shipping.models import Cancellation, Shipment
from modules.shipping.service.lines import contents, take_out
from modules.shipping.service.parcels import (
    lock_order,
    lock_shipment,
    quantities,
    require,
    update,
)


def cancel(command: CancelShipments, *, now: datetime) -> None:
    """Carry the command out once. Raises AlreadyDispatched.

    What comes before the order's shipment was made is left out of it.
    """
    shipments = lock_order(command.order_id)
    key = command.idempotency_key[:255]
    if Cancellation.objects.filter(idempotency_key=key).exists():
        return
    Cancellation.objects.create(
        idempotency_key=key,
        order_id=command.order_id,
        reason=command.reason[:500],
        left_out=None if shipments else msgspec.to_builtins(command.lines),
        at=now,
    )
    if shipments and command.lines:
        _some(command.order_id, shipments, command.lines, reason=command.reason)
    elif shipments:
        _all(command.order_id, shipments, reason=command.reason, strict=True)


def cancel_all(order_id: UUID, *, reason: str, now: datetime) -> None:
    """Do not send what has not left; what has, has. No shipment yet: none will be made."""
    shipments = lock_order(order_id)
    if not shipments:
        _leave_out(order_id, reason=reason, now=now)
    _all(order_id, shipments, reason=reason, strict=False)


def cancel_one(shipment_id: UUID, *, reason: str) -> None:
    """Do not send this shipment. Raises ShipmentNotFound, NotInState."""
    shipment, _ = lock_shipment(shipment_id, None)
    require(shipment, ShipmentState.CANCELLED)
    _stop(shipment, reason)


def _leave_out(order_id: UUID, *, reason: str, now: datetime) -> None:
    # The bus keeps an order's events in order, but one that was given up and replayed comes late.
    Cancellation.objects.get_or_create(
        idempotency_key=f"cancelled:{order_id}",
        defaults={"order_id": order_id, "reason": reason[:500], "left_out": [], "at": now},
    )


def _all(order_id: UUID, shipments: Sequence[Shipment], *, reason: str, strict: bool) -> None:
    if strict and any(shipment.state in GONE for shipment in shipments):
        raise AlreadyDispatched(order_id=order_id)
    for shipment in shipments:
        if shipment.state in HERE:
            _stop(shipment, reason)


def _some(
    order_id: UUID, shipments: Sequence[Shipment], lines: Sequence[ShipmentLine], *, reason: str
) -> None:
    # The latest first: what was split off waits longest.
    here = [shipment for shipment in reversed(shipments) if shipment.state in HERE]
    held = contents([shipment.id for shipment in here])
    want = quantities(lines)
    for shipment in here:
        have = quantities(held[shipment.id])
        part = {sku: min(n, have[sku]) for sku, n in want.items() if have.get(sku) and n}
        want = {sku: n - part.get(sku, 0) for sku, n in want.items()}
        if part and part == have:
            _stop(shipment, reason)
        elif part:
            take_out(shipment.id, part)
            update(shipment)
    if any(want.values()):
        raise AlreadyDispatched(order_id=order_id)


def _stop(shipment: Shipment, reason: str) -> None:
    update(shipment, state=ShipmentState.CANCELLED, reason=reason[:500])
    publish(
        ShipmentCancelled(order_id=shipment.order_id, shipment_id=shipment.id, reason=reason[:500])
    )
