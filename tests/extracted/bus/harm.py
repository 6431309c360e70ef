"""Harm under load: workers and relays of both hosts killed in turn, and Redis emptied between."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.extracted.bus.publisher import HOSTS
from tests.extracted.bus.reckoning import Reckoning, reckon
from tests.extracted.bus.town import Town
from tests.waiting import eventually, seconds_until

OPENS_WITHIN = 90.0  # seconds
STALLED = 90.0  # seconds; a host that starts on a busy machine takes up to 15
VICTIMS = ("payment worker", "shop relay", "shop worker", "payment relay")
SUBSCRIBED = "SELECT count(*) FROM bus_subscription WHERE state <> 'ended'"
PARTS = 8
# What only a victim that is at work again moves on.
PROGRESS = {
    "worker": "SELECT sum(pos) FROM bus_cursor",
    "relay": "SELECT sum(sent) FROM bus_subscription",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What was done to the hosts."""

    kills: int
    flushes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it. ``seconds`` until all was at rest; None when it never was."""

    seconds: float | None
    found: Reckoning


def open_town(town: Town) -> None:
    """Start every process, and wait until each host knows who wants its events."""
    for victim in VICTIMS:
        town.start(victim)
    for host in HOSTS:
        eventually(
            lambda host=host: town.query(host, SUBSCRIBED) == [(PARTS,)],
            within=OPENS_WITHIN,
            what=f"the subscription at {host}",
        )


def harm(town: Town, go_on: Callable[[Harm], bool], *, rate: float, seed: int = 7) -> Harm:
    """Publish ``rate`` events a second in each host, and kill and flush in turn while ``go_on``.

    Nobody is killed who has not been at work since it was started.
    """
    random, done = Random(seed), Harm(kills=0, flushes=0)
    for host in HOSTS:
        town.publish(host, rate)
    while go_on(done):
        victim = VICTIMS[done.kills % len(VICTIMS)]
        if not _is_at_work(town, victim):
            break  # what came of it will tell
        time.sleep(random.uniform(0.0, 0.4))
        town.kill(victim)
        town.start(victim)
        time.sleep(random.uniform(0.0, 0.8))
        town.flush()
        done = Harm(kills=done.kills + 1, flushes=done.flushes + 1)
    for host in HOSTS:
        town.end_publishing(host)
    return done


def _is_at_work(town: Town, victim: str) -> bool:
    """Whether it does anything before long."""
    host, role = victim.split()
    stood = town.query(host, PROGRESS[role])
    until = time.monotonic() + STALLED
    while town.query(host, PROGRESS[role]) == stood:
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def rest(town: Town, *, within: float) -> Outcome:
    """Wait until all is at rest, at most ``within`` seconds."""
    try:
        seconds = seconds_until(lambda: reckon(town).is_at_rest, within=within, what="rest")
    except AssertionError:
        return Outcome(seconds=None, found=reckon(town))
    return Outcome(seconds=seconds, found=reckon(town))
