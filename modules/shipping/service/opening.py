"""Making an order's first shipment, and sending goods from where they are.

Functions work in the transaction that is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec
from django.db import connections

from modules.inventory.contract import Pick
from modules.platform.contracts import PostalAddress
from modules.platform.contracts.codec import convert, decoder_of, encode
from modules.platform.databases import alias_of
from modules.platform.rest.identifiers import new_id
from modules.shipping.contract import ShipmentLine, ShipmentState
from modules.shipping.models import Cancellation, Picks
from modules.shipping.service.lines import contents
from modules.shipping.service.parcels import (
    lock_name,
    lock_order,
    quantities,
    split_off,
    update,
)

MAIN = "main"  # where goods are picked unless inventory says otherwise

# One statement per confirmed order: the shipment unless it is there, its lines, and where its
# goods are if that was told before.
_OPEN = """
WITH opened AS (
    INSERT INTO shipping_shipment (
        id, order_id, order_number, sequence, owner, state, method, warehouse, address,
        tracking_number, tracking_url, reason, pick_on, promised_by, created_at, version)
    VALUES (%(id)s, %(order)s, %(number)s, 1, %(owner)s, 'pending', %(method)s, %(warehouse)s,
            %(address)s::jsonb, '', '', '', %(pick_on)s, %(promised_by)s, %(now)s, 1)
    ON CONFLICT (order_id, sequence) DO NOTHING RETURNING id
), filled AS (
    INSERT INTO shipping_shipmentline (id, shipment_id, sku, name, quantity)
    SELECT l.id, opened.id, l.sku, l.name, l.quantity
    FROM opened, unnest(%(ids)s::uuid[], %(skus)s::text[], %(names)s::text[],
                        %(quantities)s::int[]) AS l (id, sku, name, quantity)
)
SELECT (SELECT p.picks::text FROM shipping_picks p, opened WHERE p.order_id = %(order)s)
"""


def open_shipment(
    *,
    order_id: UUID,
    order_number: str,
    owner: str,
    method: str,
    address: PostalAddress,
    lines: Sequence[ShipmentLine],
    pick_on: date,
    promised_by: date | None,
    now: datetime,
) -> None:
    """Make the order's first shipment unless it has one, or all of it is cancelled already."""
    lock_name(order_id)
    merged = _merged(lines, left_out(order_id))
    if not merged:
        return
    with connections[alias_of("shipping")].cursor() as cursor:
        cursor.execute(
            _OPEN,
            {
                "id": new_id(),
                "order": order_id,
                "number": order_number,
                "owner": owner,
                "method": method,
                "warehouse": MAIN,
                "address": encode(address).decode(),
                "pick_on": pick_on,
                "promised_by": promised_by,
                "now": now,
                "ids": [new_id() for _ in merged],
                "skus": list(merged),
                "names": [line.name for line in merged.values()],
                "quantities": [line.quantity for line in merged.values()],
            },
        )
        (told,) = cursor.fetchone()
    if told:
        assign(order_id, decoder_of(tuple[Pick, ...]).decode(told), now=now)


def left_out(order_id: UUID) -> list[tuple[ShipmentLine, ...]]:
    """What was cancelled before there was a shipment to take it from; empty lines mean all."""
    rows = Cancellation.objects.filter(order_id=order_id, left_out__isnull=False)
    return [
        convert(lines, tuple[ShipmentLine, ...])
        for lines in rows.values_list("left_out", flat=True)
    ]


def assign(order_id: UUID, picks: Sequence[Pick], *, now: datetime) -> None:
    """Have each line sent from where its goods are: one shipment per warehouse.

    Only what nobody has begun to pick is moved. Unknown yet: it is kept for when it is made.
    """
    pending = [s for s in lock_order(order_id) if s.state == ShipmentState.PENDING]
    if not pending:
        Picks.objects.update_or_create(
            order_id=order_id,
            defaults={"picks": msgspec.to_builtins(tuple(picks)), "at": now},
        )
        return
    origin = pending[0]
    have = {line.sku: line.quantity for line in contents([origin.id])[origin.id]}
    by_place: dict[str, list[ShipmentLine]] = {}
    for pick in picks:
        # Some of it may have been cancelled meanwhile.
        if part := min(pick.quantity, have.get(pick.sku, 0)):
            have[pick.sku] -= part
            line = ShipmentLine(sku=pick.sku, name="", quantity=part)
            by_place.setdefault(pick.warehouse, []).append(line)
    for first, *others in [sorted(by_place)] if by_place else []:
        update(origin, warehouse=first)
        for warehouse in others:
            split_off(origin, by_place[warehouse], warehouse=warehouse)


def _merged(
    lines: Sequence[ShipmentLine], without: Sequence[tuple[ShipmentLine, ...]]
) -> dict[str, ShipmentLine]:
    names = {line.sku: line.name[:300] for line in lines}
    wanted = quantities(lines)
    for cancelled in without:
        gone = quantities(cancelled) if cancelled else dict(wanted)
        wanted = {sku: n - gone.get(sku, 0) for sku, n in wanted.items()}
    return {
        sku: ShipmentLine(sku=sku, name=names[sku], quantity=n)
        for sku, n in wanted.items()
        if n > 0
    }
