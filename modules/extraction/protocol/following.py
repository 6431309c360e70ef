"""Keeps a stream running: what a process does for as long as an extraction is under way."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import psycopg
import structlog

from modules.extraction.protocol.errors import StalePosition
from modules.extraction.protocol.healing import State, heal
from modules.extraction.protocol.rotating import rotate
from modules.extraction.protocol.sides import Direction, Move
from modules.extraction.protocol.streams import Stream

log = structlog.get_logger(__name__)

POLL = 0.02  # seconds between looks at an empty log
AWAY = 0.5  # before a side that was away is tried again
ROTATE_ROWS = 200_000  # applied between two looks at the log's halves
HEAL = 0.05  # between two looks for a fence that was left behind


@dataclass
class Follower:
    """Applies one direction until it is stopped; outlives servers that go away.

    ``watch_fences`` belongs beside it.
    """

    move: Move
    direction: Direction
    poll: float = POLL

    def run(self, stop: threading.Event) -> int:
        """Follow until ``stop``; how many rows of the log were applied."""
        total = 0
        while not stop.is_set():
            try:
                with Stream(self.move, self.direction) as stream:
                    total += self._follow(stream, stop)
            except psycopg.OperationalError as error:
                log.warning("move.stream_away", module=self.move.module, error=str(error))
                stop.wait(AWAY)
        return total

    def _follow(self, stream: Stream, stop: threading.Event) -> int:
        total = since = 0
        while not stop.is_set():
            try:
                rows = stream.apply_once().rows
            except StalePosition:
                continue
            total, since = total + rows, since + rows
            if since > ROTATE_ROWS:
                rotate(stream)
                since = 0
            if not rows:
                stop.wait(self.poll)
        return total


def watch_fences(move: Move, stop: threading.Event, *, every: float = HEAL) -> list[State]:
    """Heal whatever a controller leaves, until ``stop``; the states that were healed.

    A cutover's fence lapses by itself. One that a controller left in a rollback does not: the
    service's database cannot know whether the swap has come.
    """
    healed = []
    while not stop.wait(every):
        try:
            done = heal(move)
        except psycopg.OperationalError:
            continue
        if done.did:
            log.warning("move.healed", module=move.module, found=done.found, did=done.did)
            healed.append(done.found)
    return healed
