"""What became of a crowd's orders, in the shop's books, the bank's and the mailbox."""

from __future__ import annotations

from collections import Counter
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The orders of one crowd. ``seconds``: from placing to rest, sorted, of those at rest."""

    states: Counter[str]
    seconds: tuple[float, ...]
    charged_twice: int  # orders for which the bank holds more than one standing charge
    charged_wrongly: int  # orders whose standing charge is not what the order says

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
    wanted = {order: [total] if state == "captured" else [] for order, state, total, _ in rows}
    return Settlement(
        states=Counter(state for _, state, _, _ in rows),
        seconds=tuple(sorted(taken for *_, taken in rows if taken is not None)),
        charged_twice=sum(len(standing.get(order, [])) > 1 for order in wanted),
        charged_wrongly=sum(standing.get(order, []) != want for order, want in wanted.items()),
    )


def mails(shop: RunningShop, domain: str) -> Counter[tuple[str, str]]:
    """How many mails there are for each address ``@domain`` and subject."""
    found: Counter[tuple[str, str]] = Counter()
    for file in shop.home.glob("**/mailbox/new/*"):
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        address = str(mail["To"])
        if domain in address:
            found[address, str(mail["Subject"])] += 1
    return found
