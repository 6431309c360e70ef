"""Whether the workers of services that have work still take what the bus gives them.

Somebody who does not take it would swallow events: they are not lost, but wait. So each service
with a share is asked, by a question through each of its own queues (see messaging/presence.py),
again and again. If one of them gives no answer for ``SILENT`` seconds that is written into the
table, and from the next moment the service's events, timers and outside work are the monolith's,
until all answer. What lies in its queues by then is taken up again: events when their lease has run
out, 30 s after they were sent, outside work by the module's sweepers.

Calls and requests need none of this: who finds nobody goes on in the monolith.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from modules.platform.messaging.carrier import service_queues_of
from modules.platform.messaging.presence import Asker
from modules.platform.placement import table
from modules.platform.placement.metrics import SILENT as SILENT_SECONDS
from modules.platform.placement.placed import Placed, Placements

log = structlog.get_logger(__name__)

EVERY = 1.0  # seconds from an answer to the next question
AGAIN = 5.0  # seconds until a broker that was away is asked again: connecting may take two
SILENT = 15.0  # seconds without an answer; the longest batch takes 12
# Questions that nobody takes lie in the queue: a new one only where the broker may have lost it.
LOST = 60.0  # seconds


class Asks(Protocol):
    """What is needed of an Asker."""

    def ask(self, queue: str) -> str: ...

    def heard(self, patience: float) -> Iterator[str]: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Asked:
    """One queue: when it last answered (or the service was placed), and its question since."""

    heard_at: float
    asked_at: float = 0.0
    question: str = ""


@dataclass(slots=True)
class Watched:
    """One service, by its queues."""

    revision: int
    queues: dict[str, Asked]

    @property
    def quietest(self) -> tuple[float, str]:
        """When it last answered by all its queues, and which was first to fall silent."""
        return min((asked.heard_at, queue) for queue, asked in self.queues.items())


class Attendance:
    """Asks, and writes down who is silent. For one thread; several processes may do it."""

    def __init__(
        self,
        asker: Callable[[], Asks] = Asker,
        note: Callable[..., bool] = table.note_silence,
        *,
        silent: float = SILENT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make, self._note, self._clock = asker, note, clock
        self._silent = silent
        self._asker: Asks | None = None
        self._watched: dict[str, Watched] = {}
        self._is_away, self._again_at = False, 0.0

    def turn(self, known: Placements) -> None:
        """Hear answers, ask again, and write down what has changed. Raises psycopg's errors."""
        placed = {module: one for module, one in known.items() if one.percent}
        self._begin_and_end(placed)
        if not placed or not self._heard_and_asked():
            return
        for module, one in placed.items():
            self._judge(module, one)

    def close(self) -> None:
        """Ask no more."""
        if self._asker is not None:
            self._asker.close()
            self._asker = None

    def _begin_and_end(self, placed: Placements) -> None:
        for module in self._watched.keys() - placed.keys():
            del self._watched[module]
            SILENT_SECONDS.labels(module).set(0)
        for module, one in placed.items():
            known = self._watched.get(module)
            if known is None or known.revision != one.revision:
                # Whoever placed it has asked; but one that was silent must answer us first.
                heard_at = self._clock() - (0 if one.attended else self._silent)
                asked = known.queues if known else {}
                queues = {
                    queue: Asked(heard_at, question=asked[queue].question if asked else "")
                    for queue in service_queues_of(module)
                }
                self._watched[module] = Watched(one.revision, queues)

    def _heard_and_asked(self) -> bool:
        """Whether the broker could be asked. While it cannot, nothing is said about services."""
        if self._clock() < self._again_at:
            return False
        try:
            asker = self._asker = self._asker or self._make()
            answered = set(asker.heard(0.001))
            for queue, asked in self._queues():
                self._heard(asked, answered)
                self._ask(asker, queue, asked)
        except Exception as error:  # whatever a broker's client raises
            if not self._is_away:
                log.warning("placement.nobody_can_be_asked", error=str(error) or repr(error))
            self._is_away, self._again_at = True, self._clock() + AGAIN
            self.close()
            self._wait_for_the_broker()
            return False
        self._is_away = False
        return True

    def _wait_for_the_broker(self) -> None:
        """What was asked is lost, and the time until it is back is nobody's silence."""
        now = self._clock()
        for _, asked in self._queues():
            asked.question = ""
            if now - asked.heard_at < self._silent:
                asked.heard_at = now

    def _queues(self) -> Iterator[tuple[str, Asked]]:
        for one in self._watched.values():
            yield from one.queues.items()

    def _heard(self, asked: Asked, answered: set[str]) -> None:
        if asked.question in answered:
            asked.question, asked.heard_at = "", self._clock()

    def _ask(self, asker: Asks, queue: str, asked: Asked) -> None:
        now = self._clock()
        if now - asked.asked_at >= (LOST if asked.question else EVERY):
            asked.asked_at, asked.question = now, asker.ask(queue)

    def _judge(self, module: str, placed: Placed) -> None:
        one = self._watched[module]
        heard_at, queue = one.quietest
        silent_for = self._clock() - heard_at
        is_silent = silent_for >= self._silent
        SILENT_SECONDS.labels(module).set(silent_for if is_silent else 0)
        if is_silent != placed.attended:
            return
        if not self._note(module, revision=one.revision, silent=is_silent):
            return
        if is_silent:
            log.error(
                "placement.workers_silent",
                module=module,
                queue=queue,
                seconds=round(silent_for, 1),
                so="events, timers and outside work are done in the monolith",
            )
        else:
            log.warning("placement.workers_back", module=module)
