"""Writers of rows: straight into a table of payment's, a little more than 1,000 a second.

    python -m tests.benchmarks.showing.writers SOURCE_URL TARGET_URL LEDGER

What they have had accepted stands in a ledger outside the databases. Messages over HTTP are some
tens a second, whatever the machine; these make a swap's pause and hold what they are at 1,000
row-writes a second.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.benchmarks.showing.teller import compared
from tests.extraction.protocol import writing
from tests.waiting import eventually

ROWS = 4  # that each transaction writes
PACE = 0.0025  # seconds between a writer's transactions: on a slow machine, too, enough of them
# Of all three kinds: a row that stays, one that the next transaction removes, and the one that the
# last has left, counted up. They are rows of messages that are done with, which nobody asks for.
TRANSACTION = """
WITH made AS (
    INSERT INTO payment.payment_webhookmessage
        (id, provider, message_id, type, reference, payload, state, tries, error, received_at)
    SELECT gen_random_uuid(), 'standin', kind || %(mine)s, 'written', '', %(body)s, 'processed', 0,
           '', now()
    FROM (VALUES ('written-'), ('passing-')) AS kinds (kind)
), gone AS (
    DELETE FROM payment.payment_webhookmessage
    WHERE provider = 'standin' AND message_id = 'passing-' || %(old)s
)
UPDATE payment.payment_webhookmessage SET tries = tries + 1
WHERE provider = 'standin' AND message_id = 'written-' || %(old)s
"""
WRITTEN = (
    "SELECT substr(message_id, 9) FROM payment.payment_webhookmessage "
    "WHERE message_id LIKE 'written-%'"
)
ONE_WRITTEN = f"{WRITTEN} LIMIT 1"
BEGUN_WITHIN = 20.0  # seconds


@dataclass(slots=True)
class Written:
    """Tickets of the transactions that were accepted, once the writers have ended."""

    tickets: list[str] = field(default_factory=list)
    seconds: float = 0.0  # from the first to the last

    @property
    def rate(self) -> float:
        """Row-writes a second, pauses included."""
        return ROWS * len(self.tickets) / max(1.0, self.seconds)

    def check(self, rows: Iterable[str]) -> dict[str, int]:
        """How many are ``lost``, ``doubled`` and ``stray`` among the tickets in a database."""
        taken = set(self.tickets)
        return compared(rows, taken=taken, sent=taken)


@contextmanager
def writing_rows(source: str, target: str) -> Iterator[Written]:
    """In a process of their own for as long as the block lasts, on whichever side may write."""
    written = Written()
    with TemporaryDirectory(prefix="ficus-written-") as folder:
        ledger = Path(folder) / "ledger"
        command = [sys.executable, "-m", __name__, source, target, str(ledger)]
        process = subprocess.Popen(command)
        try:
            eventually(lambda: _begun(source), within=BEGUN_WITHIN, what="the first written row")
            yield written
            Path(f"{ledger}.stop").touch()
            assert process.wait(timeout=60) == 0, "the writers ended badly; they say above why"
        finally:
            process.kill()
            process.wait()
        accepted = writing.read(ledger)
    times = [when for _ticket, _side, when in accepted]
    written.tickets = [ticket for ticket, _side, _when in accepted]
    written.seconds = max(times) - min(times)


def _begun(url: str) -> bool:
    """Where the rows are written or arrive a moment later."""
    with psycopg.connect(url) as session:
        return session.execute(ONE_WRITTEN).fetchone() is not None


if __name__ == "__main__":
    writing.run(sys.argv[1], sys.argv[2], Path(sys.argv[3]), TRANSACTION, PACE)
