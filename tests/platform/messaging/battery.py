"""Short scenarios that together say what the bus promises; the mutation gate runs them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from modules.platform.contracts import Unavailable
from modules.platform.databases import atomic
from modules.platform.messaging import (
    TimerFired,
    after_commit,
    cancel,
    first_time,
    on_timer,
    publish,
    relay,
    schedule,
    subscriptions,
)
from modules.platform.messaging.carrier import InlineCarrier
from modules.platform.messaging.claiming import Limits
from modules.platform.messaging.crashpoints import SimulatedCrash, observed
from modules.platform.messaging.database import execute, rows
from modules.platform.messaging.testing import dead_letters, letters
from modules.platform.messaging.testing import drain as drain_for
from modules.platform.messaging.wire import Receipt
from tests.platform.messaging.ledgers import (
    SOURCE,
    Ledger,
    other_session,
    publish_by,
    publish_now,
    ran_low,
)

AFTER_LEASE = 60.0
LATER = 400.0

# A bus that never rests is a finding, too; it need not take long.
drain = partial(drain_for, timeout=5.0)

Scenario = Callable[[Ledger, InlineCarrier], None]


def send(carrier: InlineCarrier, ahead: float = 0.0) -> int:
    limits = Limits(ahead=timedelta(seconds=ahead))
    return relay.send(SOURCE, relay.look(SOURCE).horizon, carrier, limits)


def crash_at(name: str, doing: Callable[[], object]) -> None:
    """Do it with a crash at the first pass of the point."""

    def observer(point: str) -> None:
        if point == name:
            raise SimulatedCrash

    try:
        with observed(observer):
            doing()
    except SimulatedCrash:
        return
    raise AssertionError(f"{name} was not passed")


def repeated(ledger: Ledger, carrier: InlineCarrier) -> None:
    """A batch that comes twice is handled once."""
    key = uuid4()
    drain()
    publish_now(ran_low(key, 1), ran_low(key, 2))
    send(carrier)
    carrier.waiting.append(carrier.waiting[0])
    drain()
    assert ledger.of(key) == [1, 2]


def lost(ledger: Ledger, carrier: InlineCarrier) -> None:
    """A batch that is lost comes again after its lease, not before; others wait for it."""
    key = uuid4()
    drain()
    publish_now(ran_low(key, 1))
    send(carrier)
    publish_now(ran_low(key, 2))
    assert send(carrier) == 0, "two batches in flight"
    carrier.waiting.clear()
    assert send(carrier) == 0, "sent again before its lease"
    drain(ahead=AFTER_LEASE)
    assert ledger.of(key) == [1, 2]


def restored(ledger: Ledger, carrier: InlineCarrier) -> None:
    """A consumer that has gone back in time gets again what it lacks."""
    key = uuid4()
    publish_now(ran_low(key, 1))
    drain()
    execute("orders", "UPDATE bus_cursor SET pos = 0")
    execute("orders", "TRUNCATE bus_test_ledger")
    publish_now(ran_low(key, 2))
    try:
        drain(timeout=2)
    except TimeoutError as error:
        raise AssertionError("it goes round in circles") from error
    assert ledger.of(key) == [1, 2]


def crashed(ledger: Ledger, carrier: InlineCarrier) -> None:
    """A worker that dies before its commit has done nothing, one that dies after it everything."""
    dying = uuid4()
    ledger.fail = lambda event: SimulatedCrash()
    publish_now(ran_low(dying, 1))
    with suppress(SimulatedCrash):
        drain()
    ledger.fail = lambda event: None
    drain(ahead=AFTER_LEASE)
    assert ledger.of(dying) == [1]
    for point in ("deliver.handled", "deliver.committed", "relay.before_send"):
        key = uuid4()
        publish_now(ran_low(key, 1), ran_low(key, 2))
        crash_at(point, drain)
        carrier.waiting.clear()
        drain(ahead=AFTER_LEASE)
        assert ledger.of(key) == [1, 2], point


def parked(ledger: Ledger, carrier: InlineCarrier) -> None:
    """A failing event holds its key up, in order, and nothing else; its effects are undone."""
    bad, other = uuid4(), uuid4()

    def fail(event: Any) -> BaseException | None:
        if event.key() == str(bad) and event.available == 2:
            execute(
                "orders", "INSERT INTO bus_test_ledger (key, value) VALUES (%s, 666)", [str(bad)]
            )
            return Unavailable()
        return None

    ledger.fail = fail
    publish_now(*(ran_low(bad, n) for n in (1, 2, 3)), ran_low(other, 1))
    drain()
    publish_now(ran_low(bad, 4), ran_low(other, 2))
    drain()
    assert ledger.of(bad) == [1]
    assert ledger.of(other) == [1, 2]
    assert [letter.state for letter in letters()] == ["retry", "blocked", "blocked"]
    ledger.fail = lambda event: None
    drain(ahead=LATER)
    assert ledger.of(bad) == [1, 2, 3, 4]
    assert letters() == []


def given_up(ledger: Ledger, carrier: InlineCarrier) -> None:
    """Five retries and no more; a bug none."""
    ledger.fail = lambda event: Unavailable()
    publish_now(ran_low())
    drain()
    for _ in range(7):
        drain(ahead=LATER)
    assert [letter.attempts for letter in dead_letters()] == [6]
    ledger.fail = lambda event: TypeError()
    publish_now(ran_low())
    drain()
    assert sorted(letter.attempts for letter in dead_letters()) == [1, 6]


def late(ledger: Ledger, carrier: InlineCarrier) -> None:
    """A publisher that commits late is not skipped."""
    first, second = uuid4(), uuid4()
    drain()
    with other_session() as slow:
        publish_by(slow, ran_low(first, 1))
        # In every part, so that cursors move on; one stays empty in fewer than 1 of 10^10 runs.
        publish_now(*(ran_low() for _ in range(200)))
        publish_now(ran_low(second, 2))
        drain()
        slow.commit()
    drain()
    assert (ledger.of(first), ledger.of(second)) == ([1], [2])


def rolled_back(ledger: Ledger, carrier: InlineCarrier) -> None:
    """What is rolled back was never published, scheduled, remembered or started."""
    key, started = uuid4(), []

    def task() -> None:
        started.append(1)

    try:
        with atomic(SOURCE):
            publish(ran_low(key))
            first_time(SOURCE, source="s", key="k")
            after_commit(SOURCE, task)
            drain(modules=["orders"])
            raise ArithmeticError
    except ArithmeticError:
        pass
    drain()
    assert ledger.of(key) == []
    assert started == []
    assert first_time(SOURCE, source="s", key="k")
    assert not first_time(SOURCE, source="s", key="k")


def late_receipt(ledger: Ledger, carrier: InlineCarrier) -> None:
    """A receipt that comes late takes nothing back."""
    publish_now(*(ran_low() for _ in range(30)))
    drain()
    before = rows(SOURCE, "SELECT part, acked, sent FROM bus_subscription ORDER BY part")
    for part, acked, _ in before:
        subscriptions.acknowledge(
            Receipt(source=SOURCE, consumer="orders", part=part, pos=acked // 2)
        )
    assert before == rows(SOURCE, "SELECT part, acked, sent FROM bus_subscription ORDER BY part")


def broker_down(ledger: Ledger, carrier: InlineCarrier) -> None:
    """What the broker refused goes out as soon as it is back."""

    class Broken(InlineCarrier):
        def deliver(self, batch: object) -> None:
            raise ConnectionError

    key = uuid4()
    drain()
    publish_now(ran_low(key))
    with suppress(ConnectionError):
        send(Broken())
    drain()
    assert ledger.of(key) == [100]


def timed(ledger: Ledger, carrier: InlineCarrier) -> None:
    """A timer fires once, survives a crash, and may set itself anew."""
    fired: list[str] = []
    now = datetime.now(UTC)

    def on_fire(timer: TimerFired) -> None:
        execute("orders", "INSERT INTO bus_test_ledger (key, value) VALUES (%s, 1)", [timer.key])
        fired.append(timer.key)
        if timer.key == "again" and len(fired) == 1:
            later = now + timedelta(minutes=5)
            schedule("orders", key="again", type="b", payload={}, due_at=later)

    on_timer("orders", "b", on_fire)
    schedule("orders", key="again", type="b", payload={}, due_at=now)
    drain()
    assert ledger.of("again") == [1]
    drain(ahead=301)
    assert ledger.of("again") == [1, 1]
    schedule("orders", key="crash", type="b", payload={}, due_at=now)
    crash_at("timer.handled", drain)
    drain()
    drain()
    assert ledger.of("crash") == [1]
    schedule("orders", key="off", type="b", payload={}, due_at=now)
    cancel("orders", key="off", type="b")
    drain()
    assert ledger.of("off") == []


BATTERY: tuple[Scenario, ...] = (
    repeated,
    lost,
    restored,
    crashed,
    parked,
    given_up,
    late,
    rolled_back,
    late_receipt,
    broker_down,
    timed,
)
