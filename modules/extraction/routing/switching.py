"""The switch of the ways, in step with a change of authority: held, then given, or let go.

Correctness never depends on it: whoever comes to the wrong side is refused by PostgreSQL, and sent
on. It makes that nobody has to come to the wrong side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import structlog
from psycopg import sql

from modules.extraction import standings
from modules.extraction.phases import Transition
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.sides import SERVICE, Connection, Move, Side, connect
from modules.extraction.routing.doors import KNOWN_WITHIN, Door, DoorAway, front_doors
from modules.extraction.routing.watching import tell

log = structlog.get_logger(__name__)

# The steps of a swap after its commit point.
DECIDED = frozenset({"committed", "granted", "closed"})
_HAS_KEYS = "SELECT to_regclass(%s) IS NOT NULL"
# A request that the fence refused could not take its claim of the key back, and comes again.
_UNCLAIM = "UPDATE {} SET started_at = 'epoch' WHERE answered_at IS NULL"
# What a crash takes of it costs a minute: then the keys are free by themselves. Commands wait for
# it meanwhile, and not for the disk.
_NEED_NOT_LAST = "SET synchronous_commit = off"


@dataclass(slots=True)
class Switch:
    """What happens to the ways at each step of a swap; ``heard`` is the protocol's ``watch``."""

    move: Move
    doors: tuple[Door, ...]
    source: Connection
    target: Connection
    publish: Callable[[int], None]
    at: str  # the step after which the new side accepts writes
    to_service: bool
    keys: sql.Identifier | None = None  # of requests, where the module has them
    is_published: bool = False
    late: list[str] = field(default_factory=list)
    reached: str = ""

    def heard(self, step: str) -> None:
        """Raises DoorAway while nothing is decided yet; after that only says what is late."""
        self.reached = step
        if step == "held":
            for door in self.doors:
                door.hold(self.move.module)
        elif step == self.at:
            self._give()

    @property
    def is_decided(self) -> bool:
        """Whether the commit point is passed, as far as this process was told."""
        return self.reached in DECIDED

    def has_swapped(self) -> bool:
        """Whether it is committed. Asks the monolith's database where the answer to the commit
        point may have been lost; raises psycopg's errors when that does not say.
        """
        if self.reached == "drained":
            with connect(self.move.source, purpose="switch") as source:
                if owned_by_service(self.move, source)[0] is self.to_service:
                    self.reached = "committed"
        return self.is_decided

    def pass_on(self) -> int:
        """After the commit point, where the rest has failed: write down what is so; the epoch.

        Commands for a service that was not told that it has the authority stay held: it would
        refuse them. Raises psycopg's and Django's errors.
        """
        with connect(self.move.source, purpose="switch") as source:
            _, epoch = owned_by_service(self.move, source)
        self._publish(epoch)
        if self.reached != "committed" or not self.to_service:
            self.late = told(self.doors, self.move.module, epoch, to_service=self.to_service)
        return epoch

    def let_go(self) -> None:
        """Nothing has moved: commands go on where they went before."""
        for door in self.doors:
            try:
                door.release(self.move.module)
            except DoorAway as error:
                log.warning("extraction.door_late", module=self.move.module, trouble=str(error))

    def _give(self) -> None:
        epoch = read_ownership(self.source, self.move.source).epoch
        self._unclaim()
        self._publish(epoch)
        self.late = told(self.doors, self.move.module, epoch, to_service=self.to_service)

    def _publish(self, epoch: int) -> None:
        if not self.is_published:
            self.publish(epoch)
            self.is_published = True

    def _unclaim(self) -> None:
        """Give the keys of requests free again whose end the old side did not live to see."""
        if self.keys is None:
            return
        connection = self.target if self.to_service else self.source
        try:
            connection.execute(sql.SQL(_UNCLAIM).format(self.keys))
        except psycopg.Error as error:  # they are free by themselves in a minute
            keys = self.keys.as_string(connection)
            log.warning("extraction.keys_not_freed", table=keys, error=str(error).strip())


def keys_of(connection: Connection, side: Side) -> sql.Identifier | None:
    """The table of the module's keys of requests there, if it has one. Raises psycopg's errors."""
    name = sql.Identifier(side.schema, "idempotency_record")
    found = connection.execute(_HAS_KEYS, [name.as_string(connection)]).fetchone()
    return name if found and found[0] else None


def told(doors: tuple[Door, ...], module: str, epoch: int, *, to_service: bool) -> list[str]:
    """Tell every door; what could not be told to whom."""
    late = []
    for door in doors:
        try:
            door.give(module, epoch, to_service=to_service)
        except DoorAway as error:
            log.warning("extraction.door_late", module=module, trouble=str(error))
            late.append(str(error))
    return late


@contextmanager
def switching(
    move: Move, by: Transition, *, reason: str, patience: float = KNOWN_WITHIN
) -> Iterator[Switch]:
    """A switch for one swap. When the swap fails before its commit point, it lets go.

    ``patience``: seconds in which a front door must have found an instance to send commands to.
    """
    to_service = by is Transition.CUTOVER

    def publish(epoch: int) -> None:
        before = standings.standing_of(move.module)
        after = standings.after(move.module, before, by, epoch=epoch)
        standings.put(move.module, after, reason=reason)
        tell(move.module)

    with (
        front_doors() as doors,
        connect(move.source, purpose="switch") as source,
        connect(move.target, purpose="switch") as target,
    ):
        switch = Switch(
            move=move,
            doors=doors,
            source=source,
            target=target,
            publish=publish,
            at="granted" if to_service else "committed",
            to_service=to_service,
            keys=keys_of(*((target, move.target) if to_service else (source, move.source))),
        )
        for door in doors:
            door.prepare(move.module)
            if to_service:
                door.wait_for_own(move.module, seconds=min(patience, KNOWN_WITHIN))
        for side in (source, target):
            side.execute(_NEED_NOT_LAST)
        try:
            yield switch
        except BaseException:
            if not switch.is_decided:
                switch.let_go()
            raise


def owned_by_service(move: Move, source: Connection) -> tuple[bool, int]:
    """Whose the module is by the source's word, and since which epoch."""
    has = read_ownership(source, move.source)
    return has.owner == SERVICE, has.epoch
