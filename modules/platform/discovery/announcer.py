"""What a service host runs, once, so that others find it: registers, is heard of, leaves.

One per host and not one per worker process: a host is one instance, whatever it is made of. It
speaks for the host only while the host itself says that it is ready.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import structlog

from modules.platform.discovery.client import RegistryClient
from modules.platform.discovery.errors import DiscoveryError, NotRegistered, RegistryRefused
from modules.platform.discovery.polling import CHANCE
from modules.platform.discovery.probe import Health, Probe
from modules.platform.discovery.wire import CONTRACT_UNKNOWN, HEARTBEAT, Announcement
from modules.platform.resilience.retrying import RetryPolicy

log = structlog.get_logger(__name__)

BACKOFF = RetryPolicy(base=0.5, factor=2.0, longest=5.0)  # half the registry's time to live
UNREADY = 3  # times in a row that a host is not ready before it is taken off the list


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """Under which id a host is announced, what it says, and the schema behind its contract."""

    id: str
    said: Announcement
    schema: str = ""


class Announcer:
    """Keeps one instance registered for as long as it runs, whatever happens to the registry.

    Never gives up and never raises: an instance that cannot register works on, and is found again
    as soon as the registry is.
    """

    def __init__(
        self,
        announced: Announced,
        registry: RegistryClient,
        *,
        probe: Probe,
        has_grpc: Callable[[], bool] = lambda: True,
        backoff: RetryPolicy = BACKOFF,
        chance: Callable[[], float] = CHANCE,
    ) -> None:
        """``has_grpc``: whether the announced ``grpc_url`` answers; while not, it is not said."""
        self._announced = announced
        self._registry = registry
        self._probe = probe
        self._has_grpc = has_grpc
        self._backoff = backoff
        self._chance = chance
        self._heartbeat = HEARTBEAT
        self._unready = 0
        self._failures = 0
        self._said: Announcement | None = None  # last
        self.is_registered = False

    def run(self, stop: threading.Event) -> None:
        """Announce until ``stop`` is set; then say goodbye."""
        while not stop.is_set():
            stop.wait(self.turn())
        self.leave()

    def turn(self) -> float:
        """Say what is due; the seconds until the next time."""
        health = self._probe()
        try:
            if health.ready:
                self._unready = 0
                self._speak(health)
            else:
                self._be_silent(health)
        except DiscoveryError as error:
            return self._failed(error)
        self._recovered()
        return self._heartbeat

    def leave(self) -> None:
        """Deregister, if the registry can be reached now; else the registration expires."""
        if not self.is_registered:
            return
        try:
            self._registry.deregister(self._announced.id)
        except DiscoveryError as error:
            log.warning("announcer.not_deregistered", **self._who(), error=str(error))
        else:
            log.info("announcer.deregistered", **self._who())
        self.is_registered = False

    def _speak(self, health: Health) -> None:
        said = self._to_say()
        if self.is_registered and said == self._said:
            try:
                self._registry.heartbeat(self._announced.id, in_flight=health.in_flight)
                return
            except NotRegistered:
                log.info("announcer.forgotten", **self._who())
                self.is_registered = False
        self._register(said)

    def _to_say(self) -> Announcement:
        """What is true now: its gRPC may begin later than the rest, or be away for a while."""
        said = self._announced.said
        if said.grpc_url and not self._has_grpc():
            return msgspec.structs.replace(said, grpc_url="")
        return said

    def _register(self, said: Announcement) -> None:
        try:
            self._enter(said)
        except RegistryRefused as error:
            if CONTRACT_UNKNOWN not in error.faults or not self._announced.schema:
                raise
            self._registry.announce_contract(said.contract, self._announced.schema)
            self._enter(said)

    def _enter(self, said: Announcement) -> None:
        welcome = self._registry.register(self._announced.id, said)
        self._heartbeat = welcome.heartbeat_seconds
        self.is_registered, self._said = True, said
        log.info("announcer.registered", **self._who(), url=said.url, grpc_url=said.grpc_url)

    def _be_silent(self, health: Health) -> None:
        self._unready += 1
        if self._unready == 1:
            log.warning("announcer.not_ready", **self._who(), waiting_for=health.waiting_for)
        if self._unready >= UNREADY and self.is_registered:
            self.is_registered = False
            # Forgotten is what it is to be.
            with suppress(NotRegistered):
                self._registry.deregister(self._announced.id)

    def _failed(self, error: DiscoveryError) -> float:
        self._failures += 1
        if self._failures == 1:
            log.warning("announcer.failed", **self._who(), error=str(error))
        return max(0.1, self._backoff.delay(self._failures, self._chance))

    def _recovered(self) -> None:
        if self._failures:
            log.info("announcer.recovered", **self._who(), failures=self._failures)
        self._failures = 0

    def _who(self) -> dict[str, str]:
        return {"instance": self._announced.id, "module": self._announced.said.module}
