"""Every bound of the analysis, with its reason. Pure; a test may give others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is tolerated, and how much must be seen before anything is said.

    ``chance``: how often a sound canary may be sent back by chance in one hold. It is divided by
    the number of looks in that hold (Bonferroni), so looking every second does not raise it.
    """

    chance: float = 0.01
    # For "it holds": with no error in 100 requests less than 3 % fail, at 95 % (the rule of
    # three), and 5 of 100 are expected beyond the 95th percentile.
    enough: int = 100
    # For "it fails": below these even an exact test speaks of too little.
    fewest_canary: int = 5
    fewest_monolith: int = 20
    fewest_faults: int = 3
    # A kind of work that is less than so much of all may be too rare to be judged.
    minor: float = 0.05
    # Errors: a certain difference that is smaller than this (of all) is nobody's concern.
    more_errors: float = 0.005
    # p95: what is slower than both together allow.
    times_slower: float = 1.5
    seconds_slower: float = 0.01
    quantile: float = 0.95
    # Differences of answers, of all that were compared.
    more_differences: float = 0.001


DEFAULT: Final = Bounds()
EVERY: Final = 1.0  # seconds between two looks: a rollback is due 10 s after a fault shows
HOLD: Final = 60.0  # seconds for each share
STEPS: Final = (5, 25, 50, 100)  # percent


def looks(hold: float, every: float = EVERY) -> int:
    """How often a hold of so many seconds is looked at."""
    return max(1, round(hold / every))
