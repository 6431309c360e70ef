"""Writers that keep a ledger outside the databases: what was accepted, where and when.

Each transaction has a ticket of its own. Refused as fenced or moved, it is certain that it was not
done: the writer goes to the other side with the same ticket, as a held command does.
"""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from modules.extraction.protocol import refusal

THREADS = 2
PACE = 0.004  # seconds between transactions of one thread, at best
RETRY = 0.002  # seconds before the other side is tried

# Four row-writes of all three kinds; the balances' sum is the number of tickets.
TRANSACTION = """
WITH paid AS (UPDATE till.account SET balance = balance + 1 WHERE id = 1 + %(n)s %% 50),
     made AS (INSERT INTO till.note VALUES (%(mine)s, '2026-01-01', '')),
     gone AS (DELETE FROM till.note WHERE kind = %(old)s)
INSERT INTO till.entry (account_id, amount, body) VALUES (1 + %(n)s %% 50, %(n)s, %(body)s)
"""


@dataclass
class Writer:
    """One thread's sessions on both sides, and what it has had accepted.

    ``transaction`` is one statement with the parameters ``n``, ``mine`` (its ticket), ``old`` (the
    ticket before) and ``body`` (a JSON object with the ticket).
    """

    urls: tuple[str, str]
    name: str
    transaction: str = TRANSACTION
    pace: float = PACE
    side: int = 0
    accepted: list[tuple[str, int, float]] = field(default_factory=list)  # ticket, side, when
    longest: float = 0.0  # seconds from a ticket's first try to its acceptance

    def run(self, stop: Path) -> None:
        """Write until ``stop`` exists, at most two minutes."""
        until = time.monotonic() + 120
        n = 0
        with ExitStack() as stack:
            sessions = [stack.enter_context(_session(url)) for url in self.urls]
            while not stop.exists() and time.monotonic() < until:
                n += 1
                self._ticket(sessions, n)
                time.sleep(self.pace)

    def _ticket(self, sessions: list[psycopg.Connection], n: int) -> None:
        ticket, began = f"{self.name}-{n}", time.monotonic()
        values = {
            "n": n,
            "mine": ticket,
            "old": f"{self.name}-{n - 1}",
            "body": f'{{"ticket": "{ticket}"}}',
        }
        while True:
            try:
                sessions[self.side].execute(self.transaction, values)
                break
            except psycopg.DatabaseError as error:
                if refusal(error) is None and not isinstance(
                    error, psycopg.errors.SerializationFailure
                ):
                    raise
                self.side = 1 - self.side
                time.sleep(RETRY)
        self.accepted.append((ticket, self.side, time.time()))
        self.longest = max(self.longest, time.monotonic() - began)


def _session(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True, prepare_threshold=2)


def run(
    source: str, target: str, ledger: Path, transaction: str = TRANSACTION, pace: float = PACE
) -> None:
    """Some writers at once, until ``<ledger>.stop`` exists; then write the ledger."""
    names = [uuid.uuid4().hex[:8] for _ in range(THREADS)]
    writers = [Writer((source, target), name, transaction, pace) for name in names]
    stop = Path(f"{ledger}.stop")
    threads = [threading.Thread(target=one.run, args=(stop,)) for one in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [f"{t} {side} {when!r}\n" for one in writers for t, side, when in one.accepted]
    ledger.write_text("".join(lines))


def read(ledger: Path) -> list[tuple[str, int, float]]:
    """Ticket, side, time of each accepted transaction."""
    rows = (line.split() for line in ledger.read_text().splitlines())
    return [(ticket, int(side), float(when)) for ticket, side, when in rows]
