"""Stock beside products: one call to inventory a page; None while inventory cannot answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

import structlog

from modules.inventory.contract import Inventory
from modules.platform.binding import use
from modules.platform.contracts import Unavailable, deadline_in

log = structlog.get_logger(__name__)
PATIENCE = timedelta(milliseconds=500)  # a list is worth more without stock than late
MAX_SKUS = 500  # what inventory takes in one call


class Stock(NamedTuple):
    """What of a SKU is on hand, and what of it can be promised now."""

    on_hand: int
    available: int
    backorderable: bool


def stock_of(skus: Iterable[str]) -> dict[str, Stock] | None:
    """SKU to stock (those unknown to inventory are left out); None: nobody can say."""
    wanted = tuple(dict.fromkeys(skus))
    found: dict[str, Stock] = {}
    try:
        with deadline_in(PATIENCE):
            for start in range(0, len(wanted), MAX_SKUS):
                part = wanted[start : start + MAX_SKUS]
                for each in use(Inventory).availability(skus=part):
                    found[each.sku] = Stock(each.on_hand, each.available, each.backorderable)
    except Unavailable as error:
        log.warning("stock.unavailable", code=error.code)
        return None
    return found
