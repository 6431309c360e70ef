"""What carts ask of catalog and inventory, in one call each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import structlog

from modules.catalog.contract import Catalog, Variant
from modules.inventory.contract import Availability, Inventory
from modules.platform.binding import use
from modules.platform.contracts import Unavailable, deadline_in

log = structlog.get_logger(__name__)
PATIENCE = timedelta(milliseconds=500)  # a cart without stock warnings beats a slow one


def variants_of(skus: Iterable[str]) -> dict[str, Variant]:
    """SKU to variant, for those that exist. A cart has fewer lines than one call answers."""
    wanted = tuple(skus)
    if not wanted:
        return {}
    return {variant.sku: variant for variant in use(Catalog).variants(skus=wanted)}


def availability_of(skus: Iterable[str]) -> dict[str, Availability] | None:
    """SKU to availability; None while inventory cannot answer."""
    wanted = tuple(skus)
    if not wanted:
        return {}
    try:
        with deadline_in(PATIENCE):
            return {a.sku: a for a in use(Inventory).availability(skus=wanted)}
    except Unavailable as error:
        log.warning("stock.unavailable", code=error.code)
        return None
