"""Shipments through their states. Functions work in the transaction that is open.

All shipments of an order are locked together, by sequence: what remains of an order is decided
on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connections
from django.db.models import F

from modules.platform.contracts import StaleVersion
from modules.platform.databases import alias_of
from modules.platform.messaging import publish
from modules.shipping.contract import (
    NotInShipment,
    NotInState,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentLine,
    ShipmentNotFound,
    ShipmentOnHold,
    ShipmentState,
)
from modules.shipping.domain import (
    HERE,
    all_arrived,
    may_become,
    nothing_remains,
    tracking_url,
)
from modules.shipping.models import Hold, Method, Shipment
from modules.shipping.service.lines import contents, move


def split(
    shipment_id: UUID,
    lines: Sequence[ShipmentLine],
    *,
    expected_version: int | None = None,
) -> UUID:
    """Put ``lines`` into a shipment of their own, to be sent later; its id.

    All of a shipment's lines are in one of their own already.

    Raises ShipmentNotFound, NotInState, NotInShipment, StaleVersion.
    """
    shipment, _ = lock_shipment(shipment_id, expected_version)
    if shipment.state not in HERE:
        raise NotInState(shipment_id=shipment_id, state=ShipmentState(shipment.state))
    have = {line.sku: line.quantity for line in contents([shipment.id])[shipment.id]}
    if quantities(lines) == have:
        return shipment.id
    return split_off(shipment, lines, warehouse=shipment.warehouse)


def move_on(shipment_id: UUID, target: ShipmentState) -> None:
    """Begin to pick a shipment, or put it back.

    Raises ShipmentNotFound, NotInState; ShipmentOnHold when it is to be picked.
    """
    shipment, _ = lock_shipment(shipment_id, None)
    require(shipment, target)
    if target is ShipmentState.PICKING:
        require_no_hold(shipment)
    update(shipment, state=target)


def dispatch(
    shipment_id: UUID,
    *,
    tracking_number: str = "",
    lines: Sequence[ShipmentLine] = (),
    expected_version: int | None = None,
    now: datetime,
) -> None:
    """The parcel has left with ``lines`` (empty: all of it); the rest waits in a new shipment.

    Raises ShipmentNotFound, NotInState, ShipmentOnHold, NotInShipment, StaleVersion.
    """
    shipment, siblings = lock_shipment(shipment_id, expected_version)
    require(shipment, ShipmentState.DISPATCHED)
    require_no_hold(shipment)
    rest = _rest(shipment, lines)
    if rest:
        split_off(shipment, rest, warehouse=shipment.warehouse)
    template = (
        Method.objects.filter(code=shipment.method)
        .values_list("carrier__tracking_template", flat=True)
        .first()
    )
    url = tracking_url(template or "", tracking_number)
    update(
        shipment,
        state=ShipmentState.DISPATCHED,
        tracking_number=tracking_number,
        tracking_url=url,
        dispatched_at=now,
    )
    states = [ShipmentState(each.state) for each in siblings if each.id != shipment.id]
    publish(
        ShipmentDispatched(
            order_id=shipment.order_id,
            shipment_id=shipment.id,
            lines=tuple(contents([shipment.id])[shipment.id]),
            tracking_number=tracking_number,
            tracking_url=url,
            complete=not rest and nothing_remains(states),
        )
    )


def deliver(shipment_id: UUID, *, expected_version: int | None = None, now: datetime) -> None:
    """The parcel has arrived. Raises ShipmentNotFound, NotInState, StaleVersion."""
    shipment, siblings = lock_shipment(shipment_id, expected_version)
    require(shipment, ShipmentState.DELIVERED)
    update(shipment, state=ShipmentState.DELIVERED, delivered_at=now)
    states = [ShipmentState(each.state) for each in siblings if each.id != shipment.id]
    publish(
        ShipmentDelivered(
            order_id=shipment.order_id, shipment_id=shipment.id, complete=all_arrived(states)
        )
    )


def lock_order(order_id: UUID) -> list[Shipment]:
    """All shipments of the order, locked, by sequence."""
    lock_name(order_id)
    # A statement of its own: its snapshot must have what whoever held the lock has split off.
    return list(Shipment.objects.select_for_update().filter(order_id=order_id).order_by("sequence"))


def lock_name(order_id: UUID) -> None:
    """Be the only one to touch the order's shipments, also while it has none yet."""
    with connections[alias_of("shipping")].cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"shipping:{order_id}"]
        )


def lock_shipment(
    shipment_id: UUID, expected_version: int | None
) -> tuple[Shipment, list[Shipment]]:
    """The shipment and all of its order's. Raises ShipmentNotFound, StaleVersion."""
    order_id = Shipment.objects.filter(id=shipment_id).values_list("order_id", flat=True).first()
    siblings = lock_order(order_id) if order_id else []
    for shipment in siblings:
        if shipment.id == shipment_id:
            if expected_version not in (None, shipment.version):
                raise StaleVersion(expected=expected_version or 0, actual=shipment.version)
            return shipment, siblings
    raise ShipmentNotFound(shipment_id=shipment_id)


def split_off(origin: Shipment, lines: Sequence[ShipmentLine], *, warehouse: str) -> UUID:
    last = Shipment.objects.filter(order_id=origin.order_id).order_by("-sequence").first()
    new = Shipment(
        order_id=origin.order_id,
        order_number=origin.order_number,
        sequence=(last.sequence if last else 0) + 1,
        owner=origin.owner,
        method=origin.method,
        warehouse=warehouse,
        address=origin.address,
        pick_on=origin.pick_on,
        promised_by=origin.promised_by,
        created_at=origin.created_at,
    )
    new.save(force_insert=True)
    move(origin.id, new.id, quantities(lines))
    update(origin)
    return new.id


def _rest(shipment: Shipment, lines: Sequence[ShipmentLine]) -> list[ShipmentLine]:
    """What stays here when ``lines`` leave. Raises NotInShipment."""
    if not lines:
        return []
    leaving = quantities(lines)
    have = {line.sku: line for line in contents([shipment.id])[shipment.id]}
    for sku, quantity in leaving.items():
        contained = have[sku].quantity if sku in have else 0
        if quantity > contained:
            raise NotInShipment(sku=sku, requested=quantity, contained=contained)
    return [
        ShipmentLine(sku=sku, name=line.name, quantity=line.quantity - leaving.get(sku, 0))
        for sku, line in have.items()
        if line.quantity > leaving.get(sku, 0)
    ]


def quantities(lines: Sequence[ShipmentLine]) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in lines:
        found[line.sku] = found.get(line.sku, 0) + line.quantity
    return found


def require(shipment: Shipment, target: ShipmentState) -> None:
    state = ShipmentState(shipment.state)
    if not may_become(state, target):
        raise NotInState(shipment_id=shipment.id, state=state)


def require_no_hold(shipment: Shipment) -> None:
    hold = Hold.objects.filter(order_id=shipment.order_id).first()
    if hold is not None:
        raise ShipmentOnHold(shipment_id=shipment.id, reason=hold.reason)


def update(shipment: Shipment, **fields: object) -> None:
    Shipment.objects.filter(id=shipment.id).update(version=F("version") + 1, **fields)
