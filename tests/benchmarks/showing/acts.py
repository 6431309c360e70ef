"""What the show does: two modules through all phases while people buy, each step timed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import psycopg

from tests import plain
from tests.benchmarks.showing.teller import Ledger, telling
from tests.benchmarks.showing.writers import WRITTEN, Written, writing_rows
from tests.e2e.buyers import Notebook, buying
from tests.e2e.extracting import Controller, Seen, looking
from tests.e2e.moving import Moved, judge
from tests.e2e.running import RunningShop
from tests.e2e.town import Town, metrics_of, samples_in
from tests.waiting import eventually

MODULES = ("payment", "notification")
SHARES = (5, 50, 100)
BUYERS = 2
RATE = 30.0  # signed messages a second, each a write of payment's
CHARGES = 6  # that they are about
SKUS = ("E2E-4", "E2E-5")
PAGE = "/admin/payment/payment/"
PLANT = "UPDATE payment.payment_payment SET amount = amount + %s WHERE id = %s"
A_ROW = "SELECT id FROM payment.payment_payment ORDER BY id LIMIT 1"
STORED = "SELECT message_id FROM payment.payment_webhookmessage WHERE message_id LIKE 'show\\_%%'"


class Beside(StrEnum):
    """Who works while a step is done, beside the messages that come all the time."""

    BUYERS = "buyers"
    WRITERS = "writers"  # of rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How much is shown. ``trips``: there and back again, beside each; ``dwell``: seconds that a
    phase stands.
    """

    modules: tuple[str, ...] = MODULES
    trips: Mapping[Beside, int] = field(
        default_factory=lambda: {Beside.BUYERS: 4, Beside.WRITERS: 10}
    )
    dwell: float = 2.0


QUICK = Length(modules=MODULES[:1], trips=dict.fromkeys(Beside, 1), dwell=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One step. ``at`` and ``until`` are monotonic; ``work`` is what each side did in its phase."""

    module: str
    what: str
    at: float
    until: float
    pause_ms: float | None = None  # fence to grant, by the record
    committed: float = 0.0  # of a swap: when the authority changed, monotonic
    beside: Beside = Beside.BUYERS
    work: Mapping[str, int] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.until - self.at

    @property
    def waiting(self) -> tuple[float, float]:
        """Of a swap: from when to when writes waited, with a pause's length to spare."""
        pause = (self.pause_ms or 0.0) / 1000
        return self.committed - pause, self.committed + pause

    @property
    def calm(self) -> tuple[float, float]:
        """As long a time, once it is over and its phase stands."""
        since, until = self.waiting
        return self.until, self.until + (until - since)


@dataclass(slots=True)
class Shown:
    """All that came of it."""

    ledger: Ledger
    notes: Notebook
    page: Seen
    acts: list[Act] = field(default_factory=list)
    moved: Moved = field(default_factory=Moved)
    rows_differ: int = 0  # in all comparisons of both sides, row by row
    compared: int = 0  # how many those were
    planted_found: int = 0  # of the one row that was changed around the triggers
    stored: dict[str, int] = field(default_factory=dict)  # messages lost, doubled, stray
    rows: Written = field(default_factory=Written)
    rows_stored: dict[str, int] = field(default_factory=dict)  # transactions lost, doubled, stray
    receipts: int = 0  # all of which hold, or it had raised
    extracted_after: float = 0.0  # seconds from the start until all were extracted

    @property
    def swaps(self) -> list[Act]:
        return [act for act in self.acts if act.pause_ms is not None]

    def swaps_beside(self, whom: Beside) -> list[Act]:
        return [act for act in self.swaps if act.beside is whom]


class Show:
    """``Show(town, began, length).run()``: all of it, told on stderr as it goes."""

    def __init__(self, town: Town, began: float, length: Length) -> None:
        self._shop, self._began, self._length = town.shop, began, length

    def run(self) -> Shown:
        """Raises AssertionError when a step is not done."""
        shop = self._shop
        charges = first_charges(shop)
        with self._under_load(charges) as (control, shown, end_buying):
            for module in self._length.modules:
                self._phases(control, shown, module)
            shown.extracted_after = time.monotonic() - self._began
            self._trips(control, shown, Beside.BUYERS)
            end_buying()
            with writing_rows(shop.database_url, control.own_database(MODULES[0])) as shown.rows:
                self._trips(control, shown, Beside.WRITERS)
            self._plant(control, shown)
        return shown

    @contextmanager
    def _under_load(
        self, charges: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[Controller, Shown, Callable[[], None]]]:
        """Buyers (who can be sent home sooner), messages and an operator at work; when they have
        ended the books are judged.
        """
        shop, secret = self._shop, self._shop.environment["STANDIN_WEBHOOK_SECRET"]
        with Controller(shop) as control:
            with ExitStack() as load:
                page = load.enter_context(looking(shop, PAGE))
                ledger = load.enter_context(telling(shop.base, secret, charges, rate=RATE))
                buyers = load.enter_context(ExitStack())
                notes = buyers.enter_context(buying(shop.base, SKUS, buyers=BUYERS))
                shown = Shown(ledger, notes, page)
                yield control, shown, buyers.close
            self._say("", "load ends; the books are compared")
            judge(shop, notes, shown.moved)
            for module in self._length.modules:
                self._verify(control, shown, module)
                shown.receipts += len(control.do("log", module, "--receipts")["receipts"])
            shown.stored = ledger.check(str(row[0]) for row in shop.query(STORED))
            shown.rows_stored = shown.rows.check(str(row[0]) for row in shop.query(WRITTEN))

    # ---------------------------------------------------------------- steps

    def _phases(self, control: Controller, shown: Shown, module: str) -> None:
        """monolith, shadow, canary in steps, extracted, back again, and extracted once more."""
        self._act(control, shown, module, "monolith")
        self._act(control, shown, module, "create", dwell=0.0)
        control.wait_for_own(module)
        self._act(control, shown, module, "backfill")
        self._verify(control, shown, module)
        for share in SHARES:
            self._act(control, shown, module, "canary", "--percent", str(share))
        for verb in ("cutover", "rollback", "cutover"):
            self._act(control, shown, module, verb)
            self._verify(control, shown, module)

    def _trips(self, control: Controller, shown: Shown, beside: Beside) -> None:
        for verb in ("rollback", "cutover") * self._length.trips[beside]:
            self._act(control, shown, MODULES[0], verb, dwell=0.5, beside=beside)

    def _act(
        self,
        control: Controller,
        shown: Shown,
        module: str,
        verb: str,
        *more: str,
        dwell: float | None = None,
        beside: Beside = Beside.BUYERS,
    ) -> None:
        """Do it, then let its phase stand."""
        at = time.monotonic()
        if verb != "monolith":
            control.do(verb, module, *more)
        until, before = time.monotonic(), self._worked(control, module)
        time.sleep(self._length.dwell if dwell is None else dwell)
        after = self._worked(control, module)
        swaps = control.swaps(module) if verb in ("cutover", "rollback") else []
        act = Act(
            module=module,
            what=" ".join([verb, *more[1:]]) + (" %" if more else ""),
            at=at,
            until=until,
            pause_ms=float(swaps[-1]["pause_ms"]) if swaps else None,
            committed=_monotonic(swaps[-1]["committed_at"]) if swaps else 0.0,
            beside=beside,
            work={side: int(count - before.get(side, 0)) for side, count in after.items()},
        )
        shown.acts.append(act)
        waited = "" if act.pause_ms is None else f", writes waited {act.pause_ms:.1f} ms"
        self._say(module, f"{act.what} ({act.seconds:.1f} s{waited})")

    def _verify(self, control: Controller, shown: Shown, module: str) -> None:
        shown.rows_differ += int(control.do("verify", module)["rows_differ"])
        shown.compared += 1

    def _plant(self, control: Controller, shown: Shown) -> None:
        """Change one row of the monolith's copy around the triggers; ``verify`` must find it."""
        with psycopg.connect(self._shop.database_url, autocommit=True) as session:
            session.execute("SET session_replication_role = replica")
            session.execute("SELECT set_config('ficus.applier', 'payment', false)")
            found = session.execute(A_ROW).fetchone()
            assert found is not None
            session.execute(PLANT, [1, found[0]])
            shown.planted_found = int(control.do("verify", "payment", code=3)["rows_differ"])
            session.execute(PLANT, [-1, found[0]])
        self._say("payment", f"one row changed in secret: verify found {shown.planted_found}")

    def _worked(self, control: Controller, module: str) -> dict[str, float]:
        """Requests answered and events handled so far, by each side."""
        sides = {"monolith": self._shop.web, "service": self._shop.service_urls[module]}
        if control.phase(module) != "monolith" and control.has_own(module):
            sides["own"] = control.own_url(module)
        return {side: _work(url, module) for side, url in sides.items()}

    def _say(self, module: str, what: str) -> None:
        seconds = time.monotonic() - self._began
        print(f"{seconds:6.1f} s  {module:<13} {what}", file=sys.stderr, flush=True)


def _monotonic(told: str) -> float:
    """What this process's clock said at a time that the database, on the same machine, tells."""
    ago = datetime.now(UTC) - datetime.fromisoformat(told)
    return time.monotonic() - ago.total_seconds()


def _work(url: str, module: str) -> float:
    text = metrics_of(url)
    requests = samples_in(text, "ficus_requests_total", {"route": f"api/v1/{module}*"})
    events = samples_in(text, "ficus_bus_handled_total", {"consumer": module})
    return sum(requests) + sum(events)


def first_charges(shop: RunningShop) -> list[dict[str, Any]]:
    """Of orders that are paid: what the messages will be about."""
    with buying(shop.base, SKUS, buyers=BUYERS) as notes:
        eventually(lambda: len(notes.orders) >= CHARGES, within=60, what="the first orders")
    return list(eventually(lambda: _captured(shop), what="their charges"))


def _captured(shop: RunningShop) -> list[dict[str, Any]]:
    url = f"http://127.0.0.1:{shop.ports['STANDIN']}/ledger"
    charges = plain.get(url, timeout=10).json()["charges"]
    found = [one for one in charges if one["status"] == "captured"]
    return found[:CHARGES] if len(found) >= CHARGES else []
