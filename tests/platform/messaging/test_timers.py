"""Timers: fired once, with their removal, whatever happens meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from modules.platform.contracts import SYSTEM, Unavailable, current_context
from modules.platform.databases import atomic
from modules.platform.messaging import TimerFired, after_commit, cancel, on_timer, schedule
from modules.platform.messaging.database import rows
from modules.platform.messaging.testing import drain
from modules.platform.messaging.timers import fire_due
from tests.platform.messaging.ledgers import Ledger

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    order_id: UUID
    tries: int


def soon(minutes: float) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


@pytest.fixture
def fired(ledger: Ledger) -> list[TimerFired]:
    """What the orders module's timers of type ``hold`` brought."""
    heard: list[TimerFired] = []
    on_timer("orders", "hold", heard.append)
    return heard


def test_timer_fires_once_when_it_is_due(fired: list[TimerFired]) -> None:
    """Not before, and with the payload that was scheduled."""
    hold = Hold(order_id=uuid4(), tries=2)
    with atomic("orders"):
        schedule("orders", key="k", type="hold", payload=hold, due_at=soon(15))
    assert drain() == 0
    assert drain(ahead=15 * 60 + 1) == 1
    assert drain(ahead=15 * 60 + 1) == 0
    assert fired[0].read(Hold) == hold
    assert (fired[0].key, fired[0].type, fired[0].module) == ("k", "hold", "orders")


def test_timer_of_a_rolled_back_transaction_never_was(fired: list[TimerFired]) -> None:
    """It belongs to the change that set it."""

    def give_up() -> None:
        with atomic("orders"):
            schedule("orders", key="k", type="hold", payload={}, due_at=soon(-1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        give_up()
    assert drain() == 0


def test_scheduling_again_moves_the_timer(fired: list[TimerFired]) -> None:
    """One timer per type and key."""
    schedule("orders", key="k", type="hold", payload={"n": 1}, due_at=soon(-1))
    schedule("orders", key="k", type="hold", payload={"n": 2}, due_at=soon(5))
    assert drain() == 0
    drain(ahead=301)
    assert [dict(one.payload) for one in fired] == [{"n": 2}]


def test_cancelled_timer_does_not_fire(fired: list[TimerFired]) -> None:
    """And cancelling says whether there was one."""
    schedule("orders", key="k", type="hold", payload={}, due_at=soon(-1))
    assert cancel("orders", key="k", type="hold")
    assert not cancel("orders", key="k", type="hold")
    assert drain() == 0


def test_handler_may_set_the_same_timer_anew(ledger: Ledger) -> None:
    """The new one stays when the old one is removed."""
    seen = []

    def again(fired: TimerFired) -> None:
        seen.append(current_context().actor)
        if len(seen) < 3:
            schedule("orders", key=fired.key, type="hold", payload={}, due_at=soon(1))

    on_timer("orders", "hold", again)
    schedule("orders", key="k", type="hold", payload={}, due_at=soon(-1))
    drain()
    assert len(seen) == 1
    drain(ahead=62)
    assert seen == [SYSTEM, SYSTEM, SYSTEM]


def test_failing_timer_is_tried_again_and_dies(ledger: Ledger) -> None:
    """With the retries of events, and its handler's effects rolled back."""
    tries = []

    def fail(fired: TimerFired) -> None:
        tries.append(fired)
        schedule("orders", key="other", type="hold", payload={}, due_at=soon(9999))
        raise Unavailable

    on_timer("orders", "hold", fail)
    schedule("orders", key="k", type="hold", payload={}, due_at=soon(-1))
    drain()
    for _ in range(8):
        drain(ahead=400)
    assert len(tries) == 6
    assert rows("orders", "SELECT key, state, attempts FROM bus_timer") == [("k", "dead", 6)]


def test_timer_without_a_handler_is_seen_at_once(ledger: Ledger) -> None:
    """It dies with a message that says what is missing."""
    schedule("orders", key="k", type="nobody", payload={}, due_at=soon(-1))
    drain()
    [(state, error)] = rows("orders", "SELECT state, error FROM bus_timer")
    assert state == "dead"
    assert "no handler for timers of type 'nobody'" in error


def test_firing_stops_in_time_and_leaves_the_rest(fired: list[TimerFired]) -> None:
    """The task that fires may not take for ever, however much is due; one at least is fired."""
    with atomic("orders"):
        for number in range(3):
            schedule("orders", key=str(number), type="hold", payload={}, due_at=soon(0))
    assert fire_due("orders", ahead=60, seconds=0) == 1
    assert fire_due("orders", ahead=60) == 2
    assert len(fired) == 3


def test_naive_time_is_refused() -> None:
    """Times are aware UTC."""
    with pytest.raises(ValueError, match="aware"):
        schedule("orders", key="k", type="t", payload={}, due_at=datetime(2030, 1, 1))  # noqa: DTZ001


class Task:
    """Stands for a Celery task: a name and a call."""

    name = "orders.send"

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def __call__(self, *args: object, **kwargs: object) -> None:
        self.calls.append((*args, kwargs))


def test_outside_work_starts_after_the_commit_only(ledger: Ledger) -> None:
    """And not at all when the intent is rolled back."""
    task = Task()

    def give_up() -> None:
        with atomic("orders"):
            after_commit("orders", task, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        give_up()
    with atomic("orders"):
        after_commit("orders", task, 2, key="x")
        drain()
        assert task.calls == []
    assert drain() == 1
    assert task.calls == [(2, {"key": "x"})]
