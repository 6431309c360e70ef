"""Reads of shipments and the pick list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from modules.platform.contracts import PostalAddress
from modules.platform.contracts.codec import convert
from modules.shipping.contract import Shipment, ShipmentNotFound, ShipmentState
from modules.shipping.domain import HERE
from modules.shipping.models import Hold
from modules.shipping.models import Shipment as Row
from modules.shipping.service.lines import contents

MOST = 500  # orders a call
LIST_MOST = 500  # shipments on a pick list: more than a person picks in a day


@dataclass(frozen=True, slots=True, kw_only=True)
class PickLine:
    """So many of a SKU to fetch, and for which shipments."""

    sku: str
    name: str
    quantity: int
    shipments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PickList:
    """What one warehouse is to pick on ``day``, what was left over before included.

    ``more``: the list was cut; pick these and ask again.
    """

    warehouse: str
    day: date
    shipments: tuple[Shipment, ...]
    lines: tuple[PickLine, ...]
    more: bool


def rows_with_hold() -> QuerySet[Row]:
    """Shipments, each with the ``hold_reason`` of its order."""
    hold = Hold.objects.filter(order_id=OuterRef("order_id")).values("reason")
    return Row.objects.annotate(hold_reason=Subquery(hold))


def hold_of(row: Row) -> str:
    """Why a row of ``rows_with_hold`` must not leave; empty if it may, or has."""
    reason: str | None = row.hold_reason  # type: ignore[attr-defined]
    return (reason or "") if row.state in HERE else ""


def shipments_of(order_ids: Sequence[UUID]) -> tuple[Shipment, ...]:
    """The shipments of the orders, oldest first. Two queries."""
    rows = rows_with_hold().filter(order_id__in=list(order_ids)[:MOST]).order_by("id")
    return as_shipments(list(rows))


def shipment(shipment_id: UUID) -> Shipment:
    """One shipment. Raises ShipmentNotFound."""
    found = as_shipments(list(rows_with_hold().filter(id=shipment_id)))
    if not found:
        raise ShipmentNotFound(shipment_id=shipment_id)
    return found[0]


def shipment_rows(
    *,
    order_id: UUID | None = None,
    owners: Iterable[str] | None = None,
    state: str = "",
    warehouse: str = "",
) -> QuerySet[Row]:
    """Shipment rows by the given filters; ``owners`` None means everybody's."""
    rows = rows_with_hold()
    if order_id is not None:
        rows = rows.filter(order_id=order_id)
    if owners is not None:
        rows = rows.filter(owner__in=list(owners))
    if state:
        rows = rows.filter(state=state)
    return rows.filter(warehouse=warehouse) if warehouse else rows


def pick_list(*, warehouse: str, day: date) -> PickList:
    """What is to be picked in ``warehouse`` on ``day``: goods in SKU order, oldest first.

    Without what is on hold.
    """
    rows = list(
        rows_with_hold()
        .filter(
            ~Exists(Hold.objects.filter(order_id=OuterRef("order_id"))),
            warehouse=warehouse,
            pick_on__lte=day,
            state__in=[state.value for state in HERE],
        )
        .order_by("pick_on", "id")[: LIST_MOST + 1]
    )
    chosen = rows[:LIST_MOST]
    labels = {row.id: str(row) for row in chosen}
    shipments = as_shipments(chosen)
    return PickList(
        warehouse=warehouse,
        day=day,
        shipments=shipments,
        lines=tuple(_by_sku(shipments, labels)),
        more=len(rows) > LIST_MOST,
    )


def warehouses_to_pick() -> list[str]:
    """The warehouses in which something is to be picked, and ``main``."""
    waiting = Row.objects.filter(state__in=[state.value for state in HERE])
    return sorted({"main", *waiting.values_list("warehouse", flat=True).distinct()})


def as_shipments(rows: Sequence[Row]) -> tuple[Shipment, ...]:
    """Rows ``rows_with_hold`` as contract types: one query for all their lines."""
    lines = contents([row.id for row in rows])
    return tuple(
        Shipment(
            id=row.id,
            order_id=row.order_id,
            owner=row.owner,
            state=ShipmentState(row.state),
            method=row.method,
            address=convert(row.address, PostalAddress),
            lines=tuple(lines[row.id]),
            tracking_number=row.tracking_number,
            tracking_url=row.tracking_url,
            created_at=row.created_at,
            dispatched_at=row.dispatched_at,
            delivered_at=row.delivered_at,
            version=row.version,
            on_hold=bool(hold_of(row)),
        )
        for row in rows
    )


def _by_sku(shipments: Sequence[Shipment], labels: dict[UUID, str]) -> list[PickLine]:
    found: dict[str, tuple[str, int, list[str]]] = {}
    for each in shipments:
        for line in each.lines:
            name, quantity, where = found.get(line.sku, (line.name, 0, []))
            found[line.sku] = (name, quantity + line.quantity, [*where, labels[each.id]])
    return [
        PickLine(sku=sku, name=name, quantity=quantity, shipments=tuple(where))
        for sku, (name, quantity, where) in sorted(found.items())
    ]
