"""The relay as a process: looks at each module when it is woken, and every 250 ms anyway."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.db import Error as DatabaseError
from django.db import connections

from modules.platform.databases import alias_of
from modules.platform.messaging import maintenance, registry, relay, subscriptions
from modules.platform.messaging.authority import hosted, hosted_modules, refused
from modules.platform.messaging.broker import told
from modules.platform.messaging.carrier import Carrier
from modules.platform.messaging.claiming import Limits, configured
from modules.platform.messaging.wake import Listener

log = structlog.get_logger(__name__)

POLL = 0.25  # seconds between looks when nobody wakes us
PAUSE = 0.002  # seconds between two looks at the same module, however often it is woken
CLAIM_ANYWAY = 1.0  # seconds: leases run out without anything being published
UPKEEP = 30.0  # seconds between announcements, partitions and gauges
LONGEST_BACKOFF = 10.0  # seconds to leave a module alone that cannot be reached
LONGEST_FIRE = 30.0  # seconds between two calls to fire what stays due

Clock = Callable[[], float]


@dataclass(slots=True)
class Watch:
    """What the relay remembers of one module; all times by the monotonic clock."""

    module: str
    look_at: float = 0.0
    looked_at: float = 0.0
    claim_at: float = 0.0
    fire_at: float = 0.0
    fire_wait: float = 0.0
    upkeep_at: float = 0.0
    backoff: float = 0.0
    horizon: int = -1
    wanted: bool = True  # by anybody: while it is not, its words change nothing


class RelayProcess:
    """Serves all module outboxes of this host. Several may run: each batch is claimed by one."""

    def __init__(
        self,
        carrier: Carrier,
        listener: Listener,
        modules: Callable[[], tuple[str, ...]] = hosted_modules,
        limits: Limits | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._carrier = carrier
        self._listener = listener
        self._modules = modules
        self._limits = limits or configured()
        self._clock = clock
        self._watches: dict[str, Watch] = {}
        self._announce_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Relay until ``stop`` is set; what is being sent then is sent."""
        while not stop.is_set():
            self.turn()
        self._listener.close()
        connections.close_all()

    def turn(self) -> None:
        """Wait for a word or the next look, then look where it is due."""
        watches = self._known()
        now = self._clock()
        if now >= self._announce_at:
            self._announce_at = now + UPKEEP
            self.announce()
            self._measure_queues()
        wait = min((watch.look_at for watch in watches), default=now + POLL) - self._clock()
        woken = self._listener.wait(max(wait, 0.0))
        now = self._clock()
        for watch in watches:
            if watch.module in woken and watch.wanted and not watch.backoff:
                watch.look_at = min(watch.look_at, watch.looked_at + PAUSE)
                watch.claim_at = now
        for watch in watches:
            if watch.look_at <= now:
                self._visit(watch)

    def announce(self) -> None:
        """Tell every source what this host's consumers want of it."""
        for consumer in registry.consumers():
            if not hosted(consumer):
                continue
            for announcement in subscriptions.announcements(consumer):
                self._announce(announcement)

    def _announce(self, announcement: subscriptions.Announcement) -> None:
        try:
            if hosted(announcement.source):
                subscriptions.enter(announcement)
            else:
                self._carrier.announce(announcement)
        except Exception as error:  # repeated at the next upkeep
            log.warning("bus.not_announced", source=announcement.source, error=told(error))
            self._drop_connection(announcement.source)

    def _measure_queues(self) -> None:
        try:
            maintenance.measure_queues(self._modules(), self._carrier)
        except Exception as error:  # whatever a broker's client raises
            log.warning("bus.queues_not_measured", error=told(error))

    def _known(self) -> list[Watch]:
        return [self._watches.setdefault(m, Watch(module=m)) for m in self._modules()]

    def _visit(self, watch: Watch) -> None:
        try:
            self._look(watch)
        except Exception as error:  # any one module may be down; the others go on
            watch.backoff = min(LONGEST_BACKOFF, max(POLL, watch.backoff * 2))
            watch.look_at = self._clock() + watch.backoff
            watch.claim_at = watch.look_at
            # Elsewhere in authority is no failure: it is asked again, quietly.
            tell = log.debug if refused(error) else log.warning
            tell("bus.relay_failed", module=watch.module, error=told(error))
            if isinstance(error, DatabaseError):
                self._drop_connection(watch.module)
        else:
            watch.backoff = 0.0

    def _look(self, watch: Watch) -> None:
        seen = relay.look(watch.module, self._limits)
        watch.looked_at = now = self._clock()
        watch.wanted = seen.wanted
        if seen.wanted and (seen.horizon != watch.horizon or now >= watch.claim_at):
            watch.claim_at = now + CLAIM_ANYWAY
            relay.send(watch.module, seen.horizon, self._carrier, self._limits)
            watch.horizon = seen.horizon
        self._fire(watch, due=seen.due)
        if now >= watch.upkeep_at:
            watch.upkeep_at = now + UPKEEP
            maintenance.maintain(watch.module)
        # All at the same moments: one wait for all modules instead of one for each.
        watch.look_at = (now // POLL + 1) * POLL

    def _fire(self, watch: Watch, *, due: bool) -> None:
        """Ask the module's worker to fire; less and less often while it stays due."""
        now = self._clock()
        if not due:
            watch.fire_wait = watch.fire_at = 0.0
        elif now >= watch.fire_at:
            watch.fire_wait = min(LONGEST_FIRE, max(POLL, watch.fire_wait * 2))
            watch.fire_at = now + watch.fire_wait
            self._carrier.fire(watch.module)

    def _drop_connection(self, module: str) -> None:
        connections[alias_of(module)].close()
