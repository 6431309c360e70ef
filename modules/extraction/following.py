"""``watch``: carries changes as long as it runs, mends what a dead controller left, and shows it.

Any number may run: what one has applied, another does not apply again. Without one nothing is
carried between two verbs; each verb then catches up first, which takes as long as it takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import structlog

from modules.extraction import standings
from modules.extraction.controlling import holder
from modules.extraction.errors import ControllerBusy
from modules.extraction.filling import check_installed
from modules.extraction.healing import doctor
from modules.extraction.leveling import leveled
from modules.extraction.models import Step
from modules.extraction.moves import move_of
from modules.extraction.phases import Direction, Standing
from modules.extraction.protocol import Direction as Stream
from modules.extraction.protocol import Follower, Move
from modules.extraction.protocol.following import watch_fences
from modules.extraction.shadowing.working import Working
from modules.extraction.steps import Ask
from modules.extraction.verifying import BOTH

LEVEL = 60.0  # seconds between two looks at the partitions, which are made hours ahead
LOOK = 0.5  # seconds between two looks at where the module stands
_WAYS = {Direction.TO_SERVICE: Stream.FORWARD, Direction.TO_MONOLITH: Stream.REVERSE}


log = structlog.get_logger(__name__)


def _level(move: Move, standing: Standing) -> None:
    try:
        changed = leveled(move, standing)
    except psycopg.Error as error:  # a side is away, and comes back
        log.warning("extraction.not_leveled", module=move.module, error=str(error).strip())
        return
    if changed:
        log.info("extraction.leveled", module=move.module, partitions=changed)


def mend(module: str) -> None:
    """What a dead controller has left half told is told: to the record, and to front doors that
    hold commands for it.
    """
    if not Step.objects.filter(module=module, ended_at=None).exists() or holder(module):
        return
    try:
        examined = doctor(Ask(module=module, reason="its controller is gone"))
    except (ControllerBusy, psycopg.Error) as error:  # somebody was faster; a side is away
        log.warning("extraction.not_mended", module=module, error=str(error).strip())
        return
    if examined.faults:
        facts = [fault.fact for fault in examined.faults]
        log.warning("extraction.mended", module=module, faults=facts)


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
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        self.rows = 0

    def follow(self, standing: Standing) -> None:
        """Carry as ``standing`` says: that way, or nothing while it is paused or undone.

        Raises what has ended the stream: nothing would be carried any more.
        """
        if self._failure is not None:
            raise self._failure
        way = None if standing.paused else _WAYS.get(standing.direction)
        if way is self._way:
            return
        self.close()
        self._way = way
        if way is not None:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(way, self._stop), daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Returns when nothing runs any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = self._way = None

    def _run(self, way: Stream, stop: threading.Event) -> None:
        try:
            self.rows += Follower(self._move, way).run(stop)
        except Exception as error:  # for whoever asks for the next look
            self._failure = error


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
    fences = threading.Thread(target=lambda: healed.extend(watch_fences(move, stop)), daemon=True)
    carrier, shadowing = Carrier(move), Working(ask.module)
    fences.start()
    try:
        while not stop.is_set() and not deadline.passed():
            standing = standings.standing_of(ask.module)
            if standing.direction is not Direction.NOWHERE and clock() >= level_at:
                _level(move, standing)
                level_at = clock() + LEVEL
            carrier.follow(standing)
            mend(ask.module)
            tell(standing)
            if standing.direction is Direction.NOWHERE:
                break
            stop.wait(min(LOOK, deadline.remaining()))
    finally:
        stop.set()
        carrier.close()
        shadowing.close()
        fences.join()
    return Watched(
        module=ask.module,
        seconds=round(clock() - began, 3),
        rows=carrier.rows,
        healed=tuple(healed),
        phase=standings.standing_of(ask.module).phase.value,
    )
