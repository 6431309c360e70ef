"""What is in shipments: read, taken out, moved to another. Works in the open transaction."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import F

from modules.shipping.contract import NotInShipment, ShipmentLine
from modules.shipping.models import ShipmentLine as LineRow


def contents(shipment_ids: Sequence[UUID]) -> dict[UUID, list[ShipmentLine]]:
    """Shipment to its lines, in SKU order; every id asked for is there."""
    found: dict[UUID, list[ShipmentLine]] = {shipment_id: [] for shipment_id in shipment_ids}
    rows = LineRow.objects.filter(shipment_id__in=shipment_ids).order_by("sku")
    for shipment_id, sku, name, quantity in rows.values_list(
        "shipment_id", "sku", "name", "quantity"
    ):
        found[shipment_id].append(ShipmentLine(sku=sku, name=name, quantity=quantity))
    return found


def take_out(shipment_id: UUID, quantities: dict[str, int]) -> dict[str, ShipmentLine]:
    """Lessen the shipment's lines; what was taken, by SKU. Raises NotInShipment."""
    have = {line.sku: line for line in contents([shipment_id])[shipment_id]}
    taken: dict[str, ShipmentLine] = {}
    for sku, quantity in sorted(quantities.items()):
        contained = have[sku].quantity if sku in have else 0
        if quantity > contained:
            raise NotInShipment(sku=sku, requested=quantity, contained=contained)
        rows = LineRow.objects.filter(shipment_id=shipment_id, sku=sku)
        if quantity == contained:
            rows.delete()
        else:
            rows.update(quantity=F("quantity") - quantity)
        taken[sku] = ShipmentLine(sku=sku, name=have[sku].name, quantity=quantity)
    return taken


def move(source: UUID, target: UUID, quantities: dict[str, int]) -> None:
    """Move so many of each SKU into the empty shipment ``target``. Raises NotInShipment."""
    taken = take_out(source, quantities)
    LineRow.objects.bulk_create(
        [
            LineRow(shipment_id=target, sku=line.sku, name=line.name, quantity=line.quantity)
            for line in taken.values()
        ]
    )
