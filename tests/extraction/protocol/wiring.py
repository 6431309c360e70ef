"""A pair of databases on two machines, and whoever moves the module at the end of two links."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psycopg

from modules.extraction.protocol import (
    Move,
    State,
    SwapReceipt,
    compare,
    cutover,
    heal,
    ownership,
    rollback,
    scrub,
)
from modules.extraction.protocol.controlling import TTL
from modules.extraction.protocol.cutting_over import Watch
from tests.extraction.protocol import writing
from tests.extraction.protocol.conftest import Pair, sessions
from tests.extraction.protocol.machines import Machine
from tests.extraction.protocol.network import Link
from tests.extraction.protocol.shop import till
from tests.extraction.protocol.test_processes import check_ledger, settle
from tests.waiting import eventually

INSERT = "INSERT INTO till.account (name) VALUES (gen_random_uuid())"
SOON = 10.0  # seconds: a bound that a busy machine keeps, and a session that hangs does not
OURS = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name LIKE 'ficus till %' AND application_name <> 'ficus till heal'
  AND datname = current_database()
"""


@dataclass
class Wired(Pair):
    """A pair of which ``move`` goes over two links. Its sessions, ``beside`` and the application's
    writers stand beside their servers: they are never cut off.
    """

    beside: Move
    monolith: Link
    service: Link

    @property
    def links(self) -> tuple[Link, Link]:
        return self.monolith, self.service

    def delay(self, seconds: float) -> None:
        """Each way, on both links."""
        for link in self.links:
            link.delay(seconds)

    def swap(self, verb: str, *, watch: Watch, ttl: timedelta = TTL) -> SwapReceipt:
        if verb == "cutover":
            return cutover(self.move, ttl=ttl, checked=False, watch=watch)
        return rollback(self.move, ttl=ttl, watch=watch)

    def stand(self, owner: str) -> None:
        """The module is where the test begins, and no controller is at it any more."""
        eventually(lambda: not self.at_it(), within=SOON, what="the end of all controllers")
        if ownership(self.beside.source).owner != owner:
            if owner == "service":
                cutover(self.beside, checked=False)
            else:
                rollback(self.beside)

    def at_it(self) -> int:
        """The protocol's sessions, as both servers know them, but for those that only watch."""
        found = [one.execute(OURS).fetchone() for one in (self.source, self.target)]
        return sum(row[0] for row in found if row)

    def accepts_in(self, places: list[str]) -> None:
        """There and nowhere else, soon."""
        eventually(lambda: self.accepting() == places, within=SOON, what=f"writes in {places}")

    def accepting(self) -> list[str]:
        """Where a write is accepted now."""
        return [
            name
            for name, session in (("monolith", self.source), ("service", self.target))
            if _accepts(session)
        ]


def _accepts(session: psycopg.Connection) -> bool:
    try:
        session.execute(INSERT)
    except psycopg.DatabaseError:
        return False
    return True


@contextmanager
def wire(servers: tuple[Machine, Machine], *urls: str) -> Iterator[Wired]:
    """The same with a database of each server."""
    one, other = servers
    with (
        Link(one.port) as monolith,
        Link(other.port) as service,
        sessions(till(*urls)) as pair,
    ):
        here, there = pair.move.sides
        move = replace(
            pair.move,
            source=replace(here, url=one.through(monolith, here.url)),
            target=replace(there, url=other.through(service, there.url)),
        )
        wired = Wired(move, pair.source, pair.target, pair.move, monolith, service)
        wired.ready()
        yield wired


@contextmanager
def written(wired: Wired, ledger: Path) -> Iterator[None]:
    """Writers at work until the block ends. Then each accepted write is there once, on both sides,
    and nothing else is.
    """
    urls = wired.beside.source.url, wired.beside.target.url
    writers = threading.Thread(target=writing.run, args=(*urls, ledger))
    writers.start()
    try:
        yield
    finally:
        Path(f"{ledger}.stop").touch()
        writers.join(30)
    wired.delay(0)
    settle(wired)
    assert check_ledger(wired, [ledger], wired.source)
    assert wired.same()
    assert all(digest.equal for digest in compare(wired.beside))
    assert scrub(wired.beside).count == 0


def healed(wired: Wired) -> State:
    """What ``heal`` finds, once PostgreSQL has seen that the controller is gone."""
    until = time.monotonic() + SOON
    while (done := heal(wired.move)).found in (State.CUTTING_OVER, State.ROLLING_BACK):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert done.now in (State.MONOLITH, State.SERVICE)
    return done.found


def at(step: str, act: Callable[[], object]) -> Watch:
    """A watch that does it there."""
    return lambda reached: act() if reached == step else None
