"""What counts as a difference: neither noise nor ignored. Pure.

Noise is what two runs of the monolith differ in. One such sighting could be the fault itself on
its way into the monolith, so it takes two; and a place that is noisy now and then does not excuse
a fault that shows each time: the share of runs with noise must be comparable to the share of
pairs that differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LEAST_TWICE = 2  # sightings between two runs of the monolith
COMPARABLE = 0.5  # of the share of pairs that differ, at least


class State(StrEnum):
    """How a difference is taken."""

    OPEN = "open"
    IGNORED = "ignored"
    NOISE = "noise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of one fingerprint: pairs that differed so of all that were ``compared`` on its route, and
    the same of the ``runs`` in which the monolith was asked twice.
    """

    differed: int
    compared: int
    twice: int
    runs: int


def state_of(counts: Counts, until: datetime | None, now: datetime) -> State:
    """``until``: of the rule that ignores it, if there is one."""
    if until is not None and now < until:
        return State.IGNORED
    return State.NOISE if is_noise(counts) else State.OPEN


def is_noise(counts: Counts) -> bool:
    """Whether the monolith differs from itself about as often as the service does from it."""
    if counts.twice < LEAST_TWICE or not counts.runs:
        return False
    if not counts.compared or not counts.differed:
        return True
    return counts.twice / counts.runs >= COMPARABLE * counts.differed / counts.compared
