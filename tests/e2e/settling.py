"""What became of a crowd's orders, in the shop's books, the bank's and the mailbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy

from tests import plain
from tests.e2e.running import RunningShop

AT_REST = ("captured", "cancelled")
_ORDERS = """
SELECT o.id::text, o.state, o.total,
       extract(epoch FROM max(t.at) FILTER (WHERE t.kind IN ('captured', 'cancelled'))
                          - o.placed_at)::float8
FROM orders.orders_order o LEFT JOIN orders.orders_timelineentry t ON t.order_id = o.id
WHERE o.email LIKE %s GROUP BY o.id
"""
_SHELVES = """
SELECT shelf.sku, on_hand, held, coalesce(sold, 0)
FROM (
    SELECT sku, sum(on_hand)::int AS on_hand, sum(reserved + allocated)::int AS held
    FROM inventory.inventory_stock WHERE sku = ANY (%s) GROUP BY sku
) shelf LEFT JOIN (
    SELECT l.sku, sum(l.quantity)::int AS sold
    FROM orders.orders_orderline l JOIN orders.orders_order o ON o.id = l.order_id
    WHERE o.state <> 'cancelled' GROUP BY l.sku
) bought USING (sku)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The orders of one crowd. ``seconds``: from placing to rest, sorted, of those at rest."""

    states: Counter[str]
    seconds: tuple[float, ...]
    charged_twice: int  # orders for which the bank holds more than one standing charge
    charged_wrongly: int  # orders whose standing charge is not what the order says
    charged_for_nothing: int  # standing charges for an order that nobody knows

    @property
    def orders(self) -> int:
        return sum(self.states.values())

    @property
    def under_way(self) -> int:
        return self.orders - sum(self.states[state] for state in AT_REST)


def settlement(shop: RunningShop, domain: str) -> Settlement:
    """How the orders of everybody ``@domain`` stand now."""
    rows = shop.query(_ORDERS, f"%@{domain}")
    standing: dict[str, list[int]] = {}
    url = f"http://127.0.0.1:{shop.ports['STANDIN']}/ledger"
    for charge in plain.get(url, timeout=30).json()["charges"]:
        if charge["status"] in ("authorized", "captured"):
            standing.setdefault(charge["order_id"], []).append(charge["amount"])
    known = {order for (order,) in shop.query("SELECT id::text FROM orders.orders_order")}
    wanted = {order: [total] if state == "captured" else [] for order, state, total, _ in rows}
    return Settlement(
        states=Counter(state for _, state, _, _ in rows),
        seconds=tuple(sorted(taken for *_, taken in rows if taken is not None)),
        charged_twice=sum(len(standing.get(order, [])) > 1 for order in wanted),
        charged_wrongly=sum(standing.get(order, []) != want for order, want in wanted.items()),
        charged_for_nothing=len(standing.keys() - known),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One SKU of which nothing was dispatched: ``held`` for orders, and ``sold`` by those that
    were not cancelled. The two are equal where nothing has leaked.
    """

    sku: str
    on_hand: int
    held: int
    sold: int


def saga_seconds(shop: RunningShop) -> tuple[list[float], int]:
    """How long the sagas of all the shop's orders took, sorted, and how many are not done."""
    rows = shop.query(
        "SELECT status = 'done', extract(epoch FROM updated_at - created_at)::float8 "
        "FROM orders.saga"
    )
    return sorted(taken for done, taken in rows if done), sum(not done for done, _ in rows)


def shelves(shop: RunningShop, skus: Sequence[str]) -> list[Shelf]:
    """How the stock of ``skus`` stands, over all warehouses."""
    return [
        Shelf(sku=sku, on_hand=on_hand, held=held, sold=sold)
        for sku, on_hand, held, sold in shop.query(_SHELVES, list(skus))
    ]


def mails(shop: RunningShop, domain: str) -> Counter[tuple[str, str]]:
    """How many mails there are for each address ``@domain`` and subject."""
    found: Counter[tuple[str, str]] = Counter()
    for file in shop.home.glob("**/mailbox/new/*"):
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        address = str(mail["To"])
        if domain in address:
            found[address, str(mail["Subject"])] += 1
    return found
