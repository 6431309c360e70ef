"""What all sources of instances share: their interface, their state and how they are asked."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from strangler_proxy.config import Instance

log = logging.getLogger(__name__)

JITTER = 0.1  # of the interval, either way: proxies must not ask in step

Clock = Callable[[], float]  # seconds; only differences count
Publish = Callable[[Sequence[Instance]], None]


class NoList(Exception):
    """The source could not be asked, or what it said cannot be believed. Stays in the source."""


class Source(Protocol):
    """Publishes the instances of one upstream, whenever they change, until cancelled."""

    @property
    def state(self) -> State: ...

    async def run(self, publish: Publish) -> None: ...


class State:
    """What a source knows and since when. ``failing_since`` is None while all is well."""

    def __init__(self, upstream: str, what: str, clock: Clock) -> None:
        self.upstream = upstream
        self.what = what  # where the list comes from, for people
        self.instances: tuple[Instance, ...] | None = None  # None: nothing was published yet
        self.asked_at: float | None = None  # when it last answered well
        self.failing_since: float | None = None
        self.reason = ""
        self._clock = clock

    def succeeded(self, instances: tuple[Instance, ...], publish: Publish) -> None:
        """A good answer: publish it if it is news."""
        self.asked_at = self._clock()
        if self.failing_since is not None:
            log.info("upstream %s: %s answers again", self.upstream, self.what)
            self.failing_since, self.reason = None, ""
        if instances != self.instances:
            publish(instances)
            self.instances = instances

    def failed(self, reason: str) -> None:
        """No good answer: what was published stays. Said once for each outage."""
        self.reason = reason
        if self.failing_since is None:
            self.failing_since = self._clock()
            kept = f"the last {len(self.instances)} stay" if self.instances else "none are known"
            log.warning("upstream %s: %s; instances: %s", self.upstream, reason, kept)

    def snapshot(self, now: float) -> dict[str, Any]:
        """How things stand, for people; ages in seconds, None for never."""
        return {
            "source": self.what,
            "instances": len(self.instances or ()),
            "age_seconds": None if self.asked_at is None else now - self.asked_at,
            "failing_seconds": None if self.failing_since is None else now - self.failing_since,
            "reason": self.reason,
        }


async def poll(
    ask: Callable[[], Awaitable[tuple[Instance, ...]]],
    publish: Publish,
    state: State,
    seconds: float,
    rng: random.Random,
) -> None:
    """Ask every ``seconds``, until cancelled. ``ask`` raises NoList with a sentence."""
    while True:
        try:
            instances = await ask()
        except NoList as error:
            state.failed(str(error))
        except Exception as error:  # whatever it is: nothing was learnt, and asking must go on
            state.failed(f"{state.what} cannot be asked: {type(error).__name__}: {error}")
        else:
            state.succeeded(instances, publish)
        await asyncio.sleep(seconds * rng.uniform(1 - JITTER, 1 + JITTER))
