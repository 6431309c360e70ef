"""When a command is tried again, and when a compensation is left to a person."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import SystemRandom

FIRST = 0.5  # seconds
GROWTH = 1.5  # so a pause is about half as long as the trouble has lasted, and rest is as near
LONGEST = 300.0  # seconds
LONGEST_AWAY = 15.0  # seconds, while somebody waits for a module that does not answer
PATIENCE = timedelta(hours=24)  # for compensations
# A refusal may be the other module's passing state (a capture in flight), so not at the first.
REFUSALS = 5

_random = SystemRandom()


def backoff(attempts: int, *, longest: float = LONGEST) -> timedelta:
    """Uniform between half and all of min(``longest`` seconds, 0.5 s * 1.5^(n-1)).

    Half at least: the first retry of a payment whose answer is unknown must not come at once.
    """
    ceiling = min(longest, FIRST * GROWTH ** min(attempts - 1, 50))
    return timedelta(seconds=_random.uniform(ceiling / 2, ceiling))


def gives_up(*, attempts: int, since: datetime, final: bool, now: datetime) -> bool:
    """Whether a compensation that failed ``attempts`` times is left to a person."""
    return (final and attempts >= REFUSALS) or now - since >= PATIENCE
