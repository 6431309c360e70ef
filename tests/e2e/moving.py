"""Compute moves back and forth under buyers: what was switched, what it did, and what went wrong.

A switch is in effect when every process of the shop that goes by the table has its revision, and
the front door its share; the time is counted from the moment the table was changed.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from prometheus_client.mmap_dict import MmapedDict

from tests import plain
from tests.e2e.buyers import Bought, Notebook, buying
from tests.e2e.mailed import mails_by_address, repeated_mails, wrong_mails
from tests.e2e.running import RunningShop
from tests.e2e.town import Placed, Town

SHARES = (50, 100, 0, 25, 75, 0, 100, 50, 0, 10)
REVISION = "ficus_placement_revision"
WARM = 2.0  # seconds in which all sorts of work come by
EFFECT_WITHIN = 20.0  # seconds, after which there is none
REST_WITHIN = 60.0  # seconds; the promise for every order
PAID, SENT = "captured", "sent"


@dataclass(slots=True, kw_only=True)
class Moved:
    """What came of it. Each list of violations is of sentences, and should be empty."""

    switches: int = 0
    requests: int = 0
    orders: int = 0
    failed: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)  # no violation: 202, and confirmed soon after
    charges: list[str] = field(default_factory=list)  # double, missing, or of another amount
    mails: list[str] = field(default_factory=list)  # written twice, or missing
    repeated: list[str] = field(default_factory=list)  # no violation by itself: see mailed.Mail
    books: list[str] = field(default_factory=list)  # the database says otherwise
    effects: list[float] = field(default_factory=list)  # seconds from set to in effect
    sides: dict[str, dict[str, float]] = field(default_factory=dict)  # what, and how many where

    @property
    def violations(self) -> list[str]:
        return [*self.failed, *self.charges, *self.mails, *self.books]

    @property
    def effect_p50(self) -> float:
        return median(self.effects)


def move(town: Town, *, switches: int, buyers: int, dwell: float, skus: Sequence[str]) -> Moved:
    """Switch the services' shares in turn while buyers buy; then wait for rest, and look.

    ``dwell``: seconds that a share stands, at the least.
    """
    moved, before = Moved(switches=switches), _counts(town)
    with buying(town.shop.base, skus, buyers=buyers) as notes:
        _begin(town)
        for module, share in _plan(town.services, switches):
            placed = town.place(module, share)
            moved.effects.append(_in_effect(town.shop, placed) - placed.at)
            time.sleep(dwell)
    for module in town.services:
        town.place(module, 0)
    moved.sides = _grown(before, _counts(town))
    judge(town.shop, notes, moved)
    return moved


def _begin(town: Town) -> None:
    """Have every process that will go by the table look at it for the first time."""
    for module in town.services:
        town.place(module, 1)
    time.sleep(WARM)


def _plan(services: Sequence[str], switches: int) -> Iterator[tuple[str, int]]:
    """Each service in turn, each through all shares; no share follows itself."""
    chance = Random(11)
    shares = {name: chance.randrange(len(SHARES)) for name in services}
    for number in range(switches):
        name = services[number % len(services)]
        shares[name] += 1
        yield name, SHARES[shares[name] % len(SHARES)]


# ---------------------------------------------------------------- effect


def _in_effect(shop: RunningShop, placed: Placed) -> float:
    """The time of day when everybody goes by it."""
    waiting = set(_revisions(shop.metrics, placed.module))
    until = time.time() + EFFECT_WITHIN
    while True:
        known = _revisions(shop.metrics, placed.module)
        waiting = {pid for pid in waiting if pid in known and known[pid] < placed.revision}
        if not waiting and _door_share(shop, placed.module) == placed.percent:
            return time.time()
        assert time.time() < until, f"{placed} is not in effect: {waiting or 'the front door'}"
        time.sleep(0.005)


def _revisions(metrics: Path, module: str) -> dict[int, float]:
    """Which revision of the module's placement each living process of the shop goes by."""
    found = {}
    for path in metrics.glob("gauge_livemin_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if Path(f"/proc/{pid}").exists():
            for key, value, _time, _position in _values(path):
                metric, _name, labels, _help = json.loads(key)
                if metric == REVISION and labels["module"] == module:
                    found[pid] = value
    return found


def _values(path: Path) -> Iterator[Any]:
    yield from MmapedDict.read_all_values_from_file(str(path))


def _door_share(shop: RunningShop, module: str) -> int:
    found = plain.get(f"{shop.admin}/-/table", timeout=5).json()["capabilities"][module]
    return int(found.get("percent", 0)) if found.get("phase") == "canary" else 0


# ---------------------------------------------------------------- sides


def _counts(town: Town) -> Counter[tuple[str, str]]:
    """How much of each sort of work each side has done."""
    found: Counter[tuple[str, str]] = Counter()
    for module in town.services:
        route = f"api/v1/{module}*"
        for side in ("monolith", module):
            name = "monolith" if side == "monolith" else "service"
            counted = town.counted(side, "ficus_requests_total", route=route)
            found[f"{module}: requests", name] = counted
        for name, side in (("monolith", "local"), ("service", "service")):
            for what in ("calls", "batches"):
                metric = f"ficus_placement_{what}_total"
                found[f"{module}: {what}", name] = town.counted(
                    "monolith", metric, module=module, side=side
                )
    return found


def _grown(
    before: Counter[tuple[str, str]], after: Counter[tuple[str, str]]
) -> dict[str, dict[str, float]]:
    grown: dict[str, dict[str, float]] = {}
    for (what, side), count in after.items():
        grown.setdefault(what, {})[side] = count - before[what, side]
    return grown


# ---------------------------------------------------------------- the books


def judge(
    shop: RunningShop,
    notes: Notebook,
    moved: Moved,
    *,
    within: float = REST_WITHIN,
    killed_senders: int = 0,
) -> None:
    """Once all is at rest, enter what the buyers, the bank, the mailbox and the books say.

    ``killed_senders``: how many threads were killed that may have been sending a mail.
    """
    moved.requests, moved.orders = notes.requests, len(notes.orders)
    moved.failed, moved.late = notes.failures, notes.late
    _wait_for_rest(shop, notes.orders, within)
    moved.books = list(_wrong_books(shop, notes.orders))
    moved.charges = list(_wrong_charges(shop, notes.orders))
    mails = mails_by_address(shop.home)
    moved.mails = list(wrong_mails(mails, notes.orders))
    moved.repeated = list(repeated_mails(mails, notes.orders))
    if len(moved.repeated) > killed_senders:
        moved.mails += moved.repeated


def _wait_for_rest(shop: RunningShop, orders: Sequence[Bought], within: float) -> None:
    """Until all is paid and sent, or long enough has passed: then the books say what is missing.

    The payments of a module that has moved out are rows which its stream brings home.
    """
    left = (
        "SELECT (SELECT count(*) FROM orders.orders_order WHERE number = ANY(%s) AND state <> %s)"
        " + %s - (SELECT count(*) FROM notification.notification_message"
        "         WHERE state = %s AND recipient = ANY(%s))"
        " + (SELECT count(*) FROM orders.orders_order o"
        "    LEFT JOIN payment.payment_payment p ON p.order_id = o.id"
        "    WHERE o.number = ANY(%s) AND p.captured IS DISTINCT FROM o.total)"
    )
    numbers, emails = [order.number for order in orders], [order.email for order in orders]
    values = (numbers, PAID, len(orders), SENT, emails, numbers)
    until = time.monotonic() + within
    while shop.query(left, *values)[0][0] > 0 and time.monotonic() < until:
        time.sleep(0.2)


def _wrong_books(shop: RunningShop, orders: Sequence[Bought]) -> Iterator[str]:
    """The buyers' own ledger against the database's: each order, its total, its one payment."""
    rows = shop.query(
        "SELECT o.number, o.state, o.total, count(p.id), coalesce(sum(p.captured), 0) "
        "FROM orders.orders_order o LEFT JOIN payment.payment_payment p ON p.order_id = o.id "
        "WHERE o.email = ANY(%s) GROUP BY o.number, o.state, o.total",
        [order.email for order in orders],
    )
    found = {number: rest for number, *rest in rows}
    ours = {order.number: [PAID, order.total, 1, order.total] for order in orders}
    for number in sorted(found.keys() | ours.keys()):
        if found.get(number) != ours.get(number):
            said = f"order {number}: {ours.get(number)} was bought, {found.get(number)} is written"
            yield f"{said}; {_story(shop, number)}"


def _story(shop: RunningShop, number: str) -> str:
    """What the order's timeline tells, so that one that went wrong can be understood."""
    rows = shop.query(
        "SELECT to_char(t.at, 'HH24:MI:SS.MS'), t.kind, t.detail FROM orders.orders_timelineentry t"
        " JOIN orders.orders_order o ON o.id = t.order_id WHERE o.number = %s ORDER BY t.id",
        number,
    )
    return ", ".join(f"{at} {kind} {detail}".strip() for at, kind, detail in rows)


def _wrong_charges(shop: RunningShop, orders: Sequence[Bought]) -> Iterator[str]:
    """The bank's ledger: one charge for each order, of its total, taken."""
    numbers = [order.number for order in orders]
    ids = dict(
        shop.query(
            "SELECT id::text, number FROM orders.orders_order WHERE number = ANY(%s)", numbers
        )
    )
    url = f"http://127.0.0.1:{shop.ports['STANDIN']}/ledger"
    taken: dict[str, list[int]] = {}
    for charge in plain.get(url, timeout=10).json()["charges"]:
        if charge["order_id"] in ids:
            number = ids[charge["order_id"]]
            taken.setdefault(number, []).append(charge["captured"] - charge["refunded"])
    for order in orders:
        if taken.get(order.number) != [order.total]:
            yield f"order {order.number} of {order.total}: the bank took {taken.get(order.number)}"
