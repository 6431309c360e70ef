"""``watch``: carries changes as long as it runs, mends what a dead controller left, and shows it.

Any number may run: what one has applied, another does not apply again. Without one nothing is
carried between two verbs; each verb then catches up first, which takes as long as it takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psycopg
import structlog

from modules.extraction import standings
from modules.extraction.again import Again, Work
from modules.extraction.filling import check_installed
from modules.extraction.healing import looked
from modules.extraction.leveling import leveled
from modules.extraction.mending import Mender
from modules.extraction.moves import move_of
from modules.extraction.phases import Direction, Standing
from modules.extraction.protocol import Direction as Stream
from modules.extraction.protocol import Follower, Move, ProtocolError, State
from modules.extraction.protocol.following import watch_fences
from modules.extraction.shadowing.working import Working
from modules.extraction.steps import Ask
from modules.extraction.verifying import BOTH

LEVEL = 60.0  # seconds between two looks at the partitions, which are made hours ahead
# A connection that broke where its owner did not look for it.
LOST = (psycopg.OperationalError, psycopg.InterfaceError)
LOOK = 0.5  # seconds between two looks at where the module stands
_WAYS = {Direction.TO_SERVICE: Stream.FORWARD, Direction.TO_MONOLITH: Stream.REVERSE}


log = structlog.get_logger(__name__)


def _level(move: Move, standing: Standing) -> None:
    try:
        changed = leveled(move, standing)
    # A side is away, and comes back; or capture is, which is doctor's matter.
    except (psycopg.Error, ProtocolError) as error:
        log.warning("extraction.not_leveled", module=move.module, error=str(error).strip())
        return
    if changed:
        log.info("extraction.leveled", module=move.module, partitions=changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was carried while it ran."""

    module: str
    seconds: float
    rows: int
    healed: tuple[str, ...]
    phase: str


class Carrier:
    """The stream of the present direction in a thread; another one when the direction changes."""

    def __init__(self, move: Move) -> None:
        self._move = move
        self._way: Stream | None = None
        self._work: Again | None = None
        self.rows = 0

    def follow(self, standing: Standing) -> None:
        """Carry as ``standing`` says: that way, or nothing while it is paused or undone.

        A stream that has ended because a database was lost, or what it needs was not there for a
        while, is begun again. Raises what has ended it for good: nothing would be carried any more.
        """
        way = None if standing.paused else _WAYS.get(standing.direction)
        if way is self._way and self._work is not None:
            self._work.keep()
        if way is self._way:
            return
        self.close()
        self._way = way
        if way is not None:
            self._work = Again(
                Work(
                    name=f"stream {way}",
                    run=partial(self._run, way),
                    outlives=LOST,
                    is_possible=partial(is_there, self._move),
                )
            )

    def close(self) -> None:
        """Returns when nothing runs any more."""
        if self._work is not None:
            self._work.close()
        self._work = self._way = None

    def _run(self, way: Stream, stop: threading.Event) -> None:
        self.rows += Follower(self._move, way).run(stop)


def is_there(move: Move) -> bool:
    """Whether both databases answer and have what streams and fences need."""
    try:
        return looked(move) not in (State.NOT_INSTALLED, State.HALF_INSTALLED)
    except psycopg.Error:
        return False


def _fences(move: Move, healed: list[str]) -> Again:
    """Looks for what a controller has left, twenty times a second."""
    return Again(
        Work(
            name="fences",
            run=lambda stop: healed.extend(watch_fences(move, stop)),
            outlives=(psycopg.Error,),
            is_possible=partial(is_there, move),
        )
    )


def watch(
    ask: Ask,
    stop: threading.Event,
    *,
    tell: Callable[[Standing], None] = lambda standing: None,
    clock: Callable[[], float] = time.monotonic,
) -> Watched:
    """Until ``stop``, the end of ``ask.timeout``, or the move's own end. ``tell`` hears every look.

    Raises NoSuchModule, NotExtractable, and WrongPhase where there is nothing to carry.
    """
    check_installed(ask.module, "watch", carried=BOTH)
    began, move, deadline = clock(), move_of(ask.module), ask.deadline()
    healed, level_at = list[str](), clock()
    fences = _fences(move, healed)
    carrier, shadowing, mender = Carrier(move), Working(ask.module), Mender(ask.module)
    try:
        while not stop.is_set() and not deadline.passed():
            standing = standings.standing_of(ask.module)
            if standing.direction is not Direction.NOWHERE and clock() >= level_at:
                _level(move, standing)
                level_at = clock() + LEVEL
            carrier.follow(standing)
            fences.keep()
            mender.turn()
            tell(standing)
            if standing.direction is Direction.NOWHERE:
                break
            stop.wait(min(LOOK, deadline.remaining()))
    finally:
        stop.set()
        carrier.close()
        shadowing.close()
        fences.close()
    return Watched(
        module=ask.module,
        seconds=round(clock() - began, 3),
        rows=carrier.rows,
        healed=tuple(healed),
        phase=standings.standing_of(ask.module).phase.value,
    )
