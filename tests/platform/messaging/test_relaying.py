"""The relay's loop: wakes, polls, fires, announces, backs off, and shares work with others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connections

from modules.inventory.contract.events import StockRanLow
from modules.platform.messaging import authority, registry, schedule, subscriptions, wake
from modules.platform.messaging import relay as relay_module
from modules.platform.messaging.carrier import InlineCarrier
from modules.platform.messaging.claiming import Limits
from modules.platform.messaging.database import execute, rows
from modules.platform.messaging.relay_process import RelayProcess
from modules.platform.messaging.testing import drain
from modules.platform.messaging.wire import Batch, Receipt
from tests.platform.messaging.ledgers import SOURCE, TYPE, Ledger, publish_now, ran_low

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class Ear(wake.Listener):
    """Hears what the test says, and lets no time pass."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("")
        self.words: set[str] = set()
        self.clock = clock

    def wait(self, seconds: float) -> set[str]:
        words, self.words = self.words, set()
        if not words:
            self.clock.now += seconds
        return words


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ear(clock: Clock) -> Ear:
    return Ear(clock)


@pytest.fixture
def relay(carrier: InlineCarrier, ear: Ear, clock: Clock) -> RelayProcess:
    return RelayProcess(carrier, ear, lambda: (SOURCE, "orders"), clock=clock)


def test_poll_finds_what_no_wake_told_of(
    ledger: Ledger, carrier: InlineCarrier, relay: RelayProcess, clock: Clock
) -> None:
    """Within 250 ms."""
    relay.turn()
    started = clock.now
    publish_now(ran_low())
    while not carrier.waiting:
        relay.turn()
    assert clock.now - started <= 0.26
    assert carrier.pump() == 1


def test_wake_is_answered_at_once(
    ledger: Ledger, carrier: InlineCarrier, relay: RelayProcess, ear: Ear, clock: Clock
) -> None:
    """Without waiting for the poll."""
    relay.turn()
    relay.turn()
    publish_now(ran_low())
    started = clock.now
    clock.now += 0.003
    ear.words = {SOURCE}
    relay.turn()
    assert len(carrier.waiting) == 1
    assert clock.now - started < 0.01


def test_words_of_a_module_that_nobody_hears_change_nothing(
    carrier: InlineCarrier, ear: Ear, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at by the poll, for its timers; and what it says from when somebody does."""
    looks: list[float] = []
    look = relay_module.look

    def noting(module: str, limits: Limits) -> relay_module.Look:
        looks.append(clock.now)
        return look(module, limits)

    monkeypatch.setattr(relay_module, "look", noting)
    execute(SOURCE, "DELETE FROM bus_subscription")
    relay = RelayProcess(carrier, ear, lambda: (SOURCE,), clock=clock)
    with registry.only({}):
        relay.turn()
        began = clock.now
        while clock.now < began + 1:
            clock.now += 0.003
            ear.words = {SOURCE}
            relay.turn()
    assert len(looks) <= 5
    heard: list[StockRanLow] = []
    with registry.only({"shipping": {StockRanLow: [heard.append]}}):
        relay.announce()
        publish_now(ran_low())
        began = clock.now
        while not carrier.waiting:
            relay.turn()
        assert clock.now - began <= 0.26
        carrier.pump()
    assert len(heard) == 1


def test_due_timers_are_fired_less_and_less_often(
    ledger: Ledger, relay: RelayProcess, carrier: InlineCarrier, clock: Clock
) -> None:
    """A worker that is behind is not flooded."""
    from tests.platform.messaging.test_timers import soon

    schedule("orders", key="k", type="late", payload={}, due_at=soon(-1))
    started = clock.now
    while clock.now < started + 60:
        relay.turn()
    assert 5 <= len(carrier.waiting) <= 12


def test_module_that_cannot_be_reached_does_not_stop_the_others(
    ledger: Ledger, carrier: InlineCarrier, ear: Ear, clock: Clock
) -> None:
    """It is asked again later, less and less often."""
    asked: list[float] = []

    class Broken(InlineCarrier):
        def deliver(self, batch: Batch) -> None:
            if batch.consumer == "shipping":
                asked.append(clock.now)
                raise ConnectionError("no broker")
            carrier.deliver(batch)

    from modules.cart.contract.events import CartCheckedOut
    from modules.platform.databases import atomic
    from modules.platform.messaging import publish

    registry.subscribe("shipping", {CartCheckedOut: [lambda event: None]})
    relay = RelayProcess(Broken(), ear, lambda: ("cart", SOURCE), clock=clock)
    relay.turn()
    with atomic("cart"):
        publish(CartCheckedOut(cart_id=uuid4(), order_id=uuid4()))
    publish_now(ran_low())
    started = clock.now
    while clock.now < started + 30:
        relay.turn()
    assert carrier.pump() == 1
    assert 3 <= len(asked) <= 9


def test_lost_connection_is_made_anew(
    ledger: Ledger, carrier: InlineCarrier, relay: RelayProcess
) -> None:
    """A restart of PostgreSQL does not end the relay."""
    from tests.platform.messaging.ledgers import other_session

    relay.turn()
    raw = connections[SOURCE].connection
    with other_session() as session:
        session.execute("SET ROLE NONE")  # a module's role may not end its login's sessions
        session.execute("SELECT pg_terminate_backend(%s)", [raw.info.backend_pid])
    publish_now_in_another_thread()
    for _ in range(12):
        relay.turn()
    assert carrier.pump() == 1


def publish_now_in_another_thread() -> None:
    def work() -> None:
        publish_now(ran_low())
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_relays_share_the_work_and_no_batch_goes_out_twice(ledger: Ledger) -> None:
    """Each (consumer, part) is claimed by one of them, and order holds."""
    drain()
    keys = [uuid4() for _ in range(16)]
    sent: list[tuple[int, int, int]] = []
    stop = threading.Event()

    class Noting(InlineCarrier):
        def deliver(self, batch: Batch) -> None:
            sent.append((batch.part, batch.after, batch.to))
            super().deliver(batch)

    def serve() -> None:
        carrier = Noting()
        relay = RelayProcess(carrier, wake.Listener(""), lambda: (SOURCE,))
        while not stop.is_set():
            relay.turn()
            carrier.pump()
        connections.close_all()

    threads = [threading.Thread(target=serve) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(20):
        publish_now(*(ran_low(key, n) for key in keys))
        time.sleep(0.05)
    end = time.monotonic() + 20
    while len(ledger.all()) < 320 and time.monotonic() < end:
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    assert {key: ledger.of(key) for key in keys} == {key: list(range(20)) for key in keys}
    assert len(sent) == len(set(sent))


def test_receipts_and_announcements_of_other_hosts_travel(
    ledger: Ledger, carrier: InlineCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source's host writes them; what is sent twice or late changes nothing."""
    drain()
    publish_now(ran_low())
    drain()
    before = rows(SOURCE, "SELECT part, acked, sent FROM bus_subscription ORDER BY part")
    for part, acked, _ in before:
        late = Receipt(source=SOURCE, consumer="orders", part=part, pos=acked // 2)
        subscriptions.acknowledge(late)
    assert rows(SOURCE, "SELECT part, acked, sent FROM bus_subscription ORDER BY part") == before
    monkeypatch.setattr(authority, "_has_authority", lambda module: module != SOURCE)
    relay = RelayProcess(carrier, wake.Listener(""), clock=Clock())
    relay.announce()
    assert len(carrier.waiting) == 1
    monkeypatch.undo()
    carrier.pump()


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    # Hosts of other tests talk in the same Redis, and of the same module.
    monkeypatch.setattr(wake, "CHANNEL", f"{wake.CHANNEL}.{uuid4().hex}")
    monkeypatch.setattr(wake, "wake_url", lambda: settings.REDIS_URL)
    listener = wake.Listener(settings.REDIS_URL)
    listener.wait(0.2)
    yield listener
    listener.close()


def test_commit_wakes_the_relay_through_redis(ledger: Ledger, woken: wake.Listener) -> None:
    """A word may get lost, that costs a poll; but not all of them do."""
    end = time.monotonic() + 20
    heard: set[str] = set()
    while SOURCE not in heard and time.monotonic() < end:
        publish_now(ran_low())
        heard |= woken.wait(0.5)
    assert SOURCE in heard


def test_wakes_are_bundled() -> None:
    """One word per interval, however many commits."""
    words: list[list[str]] = []
    waker = wake.Waker(words.append, debounce=0.05)
    for _ in range(1000):
        waker.wake(SOURCE)
        waker.wake("orders")
    time.sleep(0.2)
    assert 1 <= len(words) <= 3
    assert {name for word in words for name in word} == {SOURCE, "orders"}


def test_broken_redis_costs_a_poll_and_nothing_else() -> None:
    """Waking never raises, listening waits its time."""
    listener = wake.Listener("redis://127.0.0.1:1/0")
    started = time.monotonic()
    assert listener.wait(0.1) == set()
    assert time.monotonic() - started >= 0.1


def test_heard_type_is_listed(ledger: Ledger) -> None:
    """The registry knows the classes by their types."""
    assert registry.heard_events() == {TYPE: StockRanLow}
