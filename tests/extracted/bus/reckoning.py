"""What came of it: the ledgers of both hosts against what was published, and whether all rests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.extracted.bus.ledger import ANSWERED, ASKED, TOLD
from tests.extracted.bus.publisher import HOSTS, KEYS
from tests.extracted.bus.town import Town

LEDGER = "SELECT story, key, value FROM bus_test_ledger ORDER BY id"
# What is not acknowledged: sent without a receipt, or not looked at up to the last event for it.
UNRECEIPTED = """
SELECT count(*) FROM bus_subscription s
WHERE s.state <> 'live' OR s.sent_at IS NOT NULL OR s.sent > s.acked AND EXISTS (
    SELECT FROM bus_outbox o
    WHERE o.part = s.part AND o.type = ANY (s.types) AND o.id > s.acked AND o.id <= s.sent)
   OR EXISTS (
    SELECT FROM bus_outbox o WHERE o.part = s.part AND o.type = ANY (s.types) AND o.id > s.sent)
"""
PARKED = "SELECT count(*) FROM bus_parked"
STRAY = "SELECT count(*) FROM payment.bus_test_ledger"  # in the shop's database


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """Of the events that were published: how many arrived, and which did not as they should."""

    events: int
    lost: int
    doubled: int
    out_of_order: int
    stray: int  # handled by the shop's worker on the shop's copy of payment
    unreceipted: int
    parked: int

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.out_of_order or self.stray or self.parked)

    @property
    def is_at_rest(self) -> bool:
        return not (self.lost or self.unreceipted)


def reckon(town: Town) -> Reckoning:
    """What the ledgers say now. Each key's values of a story are 0, 1, 2, and so on."""
    asked, told = town.published["shop"], town.published["payment"]
    wanted = {ASKED: asked, ANSWERED: asked, TOLD: told}
    heard = [row for host in HOSTS for row in town.query(host, LEDGER)]
    times = Counter(heard)
    expected = {
        (story, key_of(number), number // KEYS)
        for story, count in wanted.items()
        for number in range(count)
    }
    return Reckoning(
        events=len(expected),
        lost=len(expected - times.keys()),
        doubled=sum(count - 1 for count in times.values()) + len(times.keys() - expected),
        out_of_order=_out_of_order(heard),
        stray=town.query("shop", STRAY)[0][0],
        unreceipted=sum(town.query(host, UNRECEIPTED)[0][0] for host in HOSTS),
        parked=sum(town.query(host, PARKED)[0][0] for host in HOSTS),
    )


def _out_of_order(heard: list[tuple[str, str, int]]) -> int:
    """Events that came after a later one of their story and key."""
    highest: dict[tuple[str, str], int] = {}
    late = 0
    for story, key, value in heard:
        late += value < highest.get((story, key), -1)
        highest[story, key] = max(value, highest.get((story, key), -1))
    return late


def key_of(number: int) -> str:
    """The key of the event of that number."""
    return f"00000000-0000-0000-0000-{number % KEYS + 1:012x}"
