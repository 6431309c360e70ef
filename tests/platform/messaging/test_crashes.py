"""A crash at every boundary, with the carrier keeping, losing or repeating what was under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from modules.platform.contracts import Unavailable
from modules.platform.databases import atomic
from modules.platform.messaging import TimerFired, after_commit, on_timer, schedule
from modules.platform.messaging.carrier import InlineCarrier
from modules.platform.messaging.crashpoints import POINTS, SimulatedCrash, crash_point, observed
from modules.platform.messaging.database import execute, row
from modules.platform.messaging.testing import drain, letters
from tests.platform.messaging.ledgers import SOURCE, Ledger, publish_now, ran_low

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

LATER = 400.0  # seconds: past leases and retries
TIMER = 1000  # the value that the timer's handler writes


class Forgetful(InlineCarrier):
    """Remembers what it carried, to repeat it after a crash."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[Callable[[], int]] = []

    def pump(self) -> int:
        self.history.extend(item for item in self.waiting if item not in self.history)
        return super().pump()


FATES: dict[str, Callable[[Forgetful], None]] = {
    "kept": lambda carrier: None,
    "lost": lambda carrier: carrier.waiting.clear(),
    "repeated": lambda carrier: carrier.waiting.extend(carrier.history),
}


@pytest.fixture
def carrier() -> Any:
    from modules.platform.messaging.carrier import carried_by

    forgetful = Forgetful()
    with carried_by(forgetful):
        yield forgetful


class Story:
    """Three events of one key, the second failing once, a timer and a task."""

    name = "orders.story"

    def __init__(self, ledger: Ledger) -> None:
        self.key = uuid4()
        self.ledger = ledger
        self.committed: list[int] = []
        self.failures = 0
        self.tasks = 0
        ledger.fail = self.fail
        on_timer("orders", "story", self.on_timer)

    def fail(self, event: Any) -> BaseException | None:
        # Twice: once with its batch and once alone, so that it is parked.
        if event.available == 2 and self.failures < 2:
            self.failures += 1
            return Unavailable()
        return None

    def on_timer(self, fired: TimerFired) -> None:
        execute(
            "orders", "INSERT INTO bus_test_ledger (key, value) VALUES (%s, %s)", [fired.key, TIMER]
        )

    def __call__(self) -> None:
        self.tasks += 1

    def tell(self) -> None:
        for n in (1, 2, 3):
            publish_now(ran_low(self.key, n))
            self.committed.append(n)
        with atomic("orders"):
            schedule(
                "orders", key=str(self.key), type="story", payload={}, due_at=datetime.now(UTC)
            )
            after_commit("orders", self)
        drain()
        drain(ahead=LATER)

    def settle(self) -> None:
        """What any later process does: everything until nothing moves."""
        for _ in range(3):
            drain(ahead=LATER)


def run(ledger: Ledger, carrier: Forgetful, crash_at: int, fate: str) -> str | None:
    """One story with a crash at the point passed as number ``crash_at``; the point's name."""
    carrier.waiting.clear()
    carrier.history.clear()
    story = Story(ledger)
    passed = 0
    where = None

    def observer(point: str) -> None:
        nonlocal passed, where
        passed += 1
        if passed == crash_at:
            where = point
            raise SimulatedCrash(point)

    try:
        with observed(observer):
            story.tell()
    except SimulatedCrash:
        FATES[fate](carrier)
        story.settle()
    check(story, where)
    return where


def check(story: Story, where: str | None) -> None:
    """Each committed event once and in order, the timer at most once, nothing left over."""
    heard = story.ledger.of(story.key)
    events = [value for value in heard if value != TIMER]
    # A crash after the commit and before the return is a commit: one more may have happened.
    stored = row(SOURCE, "SELECT count(*) FROM bus_outbox WHERE key = %s", [str(story.key)])
    assert stored is not None
    assert events == [1, 2, 3][: stored[0]], f"crash at {where}"
    assert stored[0] >= len(story.committed), f"crash at {where}"
    assert heard.count(TIMER) <= 1, f"crash at {where}"
    assert letters() == [], f"crash at {where}"
    waiting = row("orders", "SELECT count(*) FROM bus_timer")
    assert waiting == (0,), f"crash at {where}"


@pytest.mark.timeout(300)
def test_crash_at_every_boundary_loses_doubles_and_reorders_nothing(
    ledger: Ledger, carrier: Forgetful
) -> None:
    """Every point passed by the story, three fates of the carrier."""
    drain()
    seen: Counter[str] = Counter()
    crash_at = 0
    while True:
        crash_at += 1
        where = [run(ledger, carrier, crash_at, fate) for fate in FATES]
        if None in where:
            break
        seen.update(point for point in where if point)
    # Those of sagas are passed by the stories of orders.
    ours = {point for point in POINTS if not point.startswith("saga.")}
    assert set(seen) == ours, "a point that no story passes is not tested"
    assert sum(seen.values()) > 100


@pytest.mark.parametrize("times", [1, 2])
def test_everything_delivered_twice_and_backwards(
    ledger: Ledger, carrier: Forgetful, times: int
) -> None:
    """The carrier may repeat and reorder at will."""
    key = uuid4()
    for n in range(30):
        publish_now(ran_low(key, n))
        drain()
        carrier.waiting.extend(reversed(carrier.history * times))
        drain()
    assert ledger.of(key) == list(range(30))


def test_points_cost_nothing_and_do_nothing_in_production() -> None:
    """Nobody watches: nothing happens."""
    crash_point("deliver.begin")


def test_unknown_key_is_not_confused(ledger: Ledger) -> None:
    """The ledger used above tells keys apart."""
    publish_now(ran_low(UUID(int=5), 1))
    drain()
    assert ledger.of(UUID(int=6)) == []
