"""Guards that come true by themselves are waited for: for a bounded time, and it is said."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from modules.extraction.guards import Guard
from modules.extraction.reports import Report
from modules.platform.placement.errors import NobodyTakesEvents, NobodyThere
from modules.platform.resilience import Deadline

EVERY: Final = 0.5  # seconds between two looks
# By the name in the table. Whatever else fails needs a person.
COMING: Final = frozenset(
    {
        "instances with their own database",  # are started when there is a database for them
        "instances on the monolith's data",
        "front doors that are away",
        "lag",
        # Claims and deeds are counted in one transaction, so lag does not make them unequal, and
        # time does not make them equal: a wait costs little, and a person is asked then.
        "digests",
        "open transactions of the module",
    }
)
Say = Callable[[str], None]
T = TypeVar("T")


def awaited(look: Callable[[], Report], *, until: Deadline, say: Say) -> Report:
    """The first report whose guards all pass; or the last one, when the time is up, or when one
    fails that nobody may wait for.
    """
    said = ""
    while True:
        report = look()
        failed = [one for one in report.guards if not one.passes]
        if not failed or any(one.name not in COMING for one in failed):
            return report
        words = ", ".join(f"{one.name} ({_have(one)})" for one in failed)
        if words != said:
            say(f"waits for {words}")
            said = words
        if until.passed():
            return report
        time.sleep(until.cap(EVERY))


def with_workers(act: Callable[[], T], *, until: Deadline, say: Say) -> T:
    """Do it, as soon as the service's processes are there to take what they are given.

    Raises NobodyThere and NobodyTakesEvents when the time is up.
    """
    said = False
    while True:
        try:
            return act()
        except (NobodyThere, NobodyTakesEvents) as error:
            if until.passed():
                raise
            if not said:
                say(f"waits: {error}")
            said = True
        time.sleep(until.cap(EVERY))


def _have(guard: Guard) -> str:
    return f"{guard.have} of {guard.need}" if guard.need else guard.have
