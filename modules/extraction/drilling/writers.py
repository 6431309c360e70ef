"""The writers of a drill, and their ledger outside the databases: what was accepted, and when.

Refused as fenced or moved, a ticket has certainly not been done: the writer goes to the other side
with it, as a held command does. When the connection is lost, nobody knows: the writer asks again
with the same ticket, whose key finds the answer wherever the ticket is by then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from modules.extraction.drilling.tickets import COUNT
from modules.extraction.protocol.errors import refusal

RETRY = 0.002  # seconds before the other side is tried
AGAIN = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
CONNECTS_WITHIN = 5  # seconds


@dataclass(frozen=True, slots=True)
class Accepted:
    """One ticket. ``side`` is 0 for the monolith, 1 for the service; ``when`` is by the wall
    clock, because several processes compare it.
    """

    ticket: str
    side: int
    when: float


@dataclass
class Writer:
    """One thread with a session on each side, writing ``rate`` tickets a second."""

    urls: tuple[str, str]
    name: str
    plain: str
    churned: Sequence[str]
    rate: float
    side: int = 0
    accepted: list[Accepted] = field(default_factory=list)
    failed: str = ""
    _sessions: dict[int, psycopg.Connection] = field(default_factory=dict)

    def run(self, gate: Gate) -> None:
        """Write until the gate is shut for good. What it cannot explain ends it, in ``failed``."""
        n, due = 0, time.monotonic()
        try:
            while not gate.is_over:
                n += 1
                self._ticket(n)
                due = max(due + 1 / self.rate, time.monotonic() - 1)
                if gate.pass_by():
                    due = time.monotonic()
                time.sleep(max(0.0, due - time.monotonic()))
        except Exception as error:
            self.failed = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        finally:
            gate.leave()
            for session in self._sessions.values():
                session.close()

    def _ticket(self, n: int) -> None:
        ticket = f"{self.name}-{n}"
        values = {"ticket": ticket, "before": f"{self.name}-{n - 1}", "account": 1 + n % COUNT}
        text = self.churned[n % len(self.churned)] if self.churned and n % 2 else self.plain
        while True:
            try:
                self._session().execute(text.encode(), values)
                break
            except psycopg.errors.UniqueViolation as error:
                if "ficus_drill_" in str(error.diag.constraint_name):
                    break  # it was done before the answer was lost
                text = self.plain  # the rows of the module have changed meanwhile
            except psycopg.errors.IntegrityError:
                text = self.plain
            except psycopg.OperationalError as error:
                self._lost(error)
            except psycopg.DatabaseError as error:
                self._refused(error)
        self.accepted.append(Accepted(ticket, self.side, time.time()))

    def _session(self) -> psycopg.Connection:
        found = self._sessions.get(self.side)
        if found is None or found.closed:
            found = psycopg.connect(
                self.urls[self.side],
                autocommit=True,
                prepare_threshold=2,
                connect_timeout=CONNECTS_WITHIN,
                application_name="drill writer",
            )
            self._sessions[self.side] = found
        return found

    def _lost(self, error: psycopg.OperationalError) -> None:
        found = self._sessions.get(self.side)
        if found is not None and not found.closed and not isinstance(error, AGAIN):
            found.close()
        time.sleep(RETRY)

    def _refused(self, error: psycopg.DatabaseError) -> None:
        if refusal(error) is None:
            raise error
        self.side = 1 - self.side
        time.sleep(RETRY)


class Gate:
    """Lets writers pass, holds them, or sends them home. Whoever is asked to wait writes one more
    ticket first: so there is one that was accepted after whatever happened before.
    """

    def __init__(self, writers: int) -> None:
        self._changed = threading.Condition()
        self._writers, self._waiting, self._turn = writers, 0, 0
        self._is_shut = self.is_over = False
        self._seen: dict[int, int] = {}

    def shut(self, seconds: float) -> bool:
        """Returns when all writers wait; False when one has not come in time."""
        with self._changed:
            self._is_shut, self._turn = True, self._turn + 1
            return self._changed.wait_for(lambda: self._waiting >= self._writers, seconds)

    def open(self) -> None:
        """Let them go on."""
        with self._changed:
            self._is_shut = False
            self._changed.notify_all()

    def end(self) -> None:
        """Send them home."""
        with self._changed:
            self.is_over, self._is_shut = True, False
            self._changed.notify_all()

    def pass_by(self) -> bool:
        """A writer comes by after a ticket; True when it has waited."""
        me = threading.get_ident()
        with self._changed:
            if not self._is_shut or self._seen.get(me) != self._turn:
                self._seen[me] = self._turn
                return False
            self._waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_shut)
            self._waiting -= 1
            return True

    def leave(self) -> None:
        """A writer goes home, or has failed."""
        with self._changed:
            self._writers -= 1
            self._changed.notify_all()
