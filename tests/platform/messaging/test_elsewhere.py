"""What comes to a host that has not the authority, and what a worker says when it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import redis
from celery import Celery
from celery.exceptions import Reject
from django.conf import settings

from modules.platform.messaging import authority, receiving, subscriptions, tasks
from modules.platform.messaging.carrier import (
    ANNOUNCED_FOR,
    CeleryCarrier,
    InlineCarrier,
    ack_queue_of,
    outside_queues,
    worker_queues,
)
from modules.platform.messaging.database import row, rows
from modules.platform.messaging.taking import TakesByAuthority
from modules.platform.messaging.testing import drain
from tests.platform.messaging.ledgers import SOURCE, Ledger, publish_now, ran_low

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
CURSORS = "SELECT count(*) FROM bus_cursor"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither module's live data is here."""
    monkeypatch.setattr(authority, "_has_authority", lambda module: False)
    monkeypatch.setattr(tasks, "PAUSE", 0)
    yield
    monkeypatch.undo()


CALLS: dict[str, Callable[[], Any]] = {
    "deliver": lambda: tasks.deliver(SOURCE, "orders", 0, 0, 1, True, "[]"),
    "ack": lambda: tasks.acknowledge(SOURCE, "orders", 0, 1, False),
    "announce": lambda: tasks.announce(SOURCE, "orders", {f"{SOURCE}.x": [1]}, "earliest"),
    "fire": lambda: tasks.fire("orders"),
    "begin": lambda: tasks.begin("orders"),
}


@pytest.mark.parametrize("name", CALLS)
def test_task_for_another_host_is_handed_back(ledger: Ledger, elsewhere: None, name: str) -> None:
    """Nothing is read or written for it; it lies in the queue again."""
    with pytest.raises(Reject) as rejected:
        CALLS[name]()
    assert rejected.value.requeue
    assert row("orders", CURSORS) == (0,)
    assert row(SOURCE, "SELECT count(*) FROM bus_subscription") == (0,)


def test_worker_that_begins_has_what_was_lost_sent_again(
    ledger: Ledger, carrier: InlineCarrier
) -> None:
    """Without waiting for the lease; it counts as a resend, and nothing is handled twice."""
    drain()
    sku = uuid4()
    publish_now(ran_low(sku, 1))
    carrier_of_the_dead = InlineCarrier()
    _send(carrier_of_the_dead)
    assert len(carrier_of_the_dead.waiting) == 1
    assert drain() == 0
    receiving.begin("orders")
    assert drain() == 1
    assert ledger.of(sku) == [1]
    carrier_of_the_dead.pump()  # it was not dead after all
    assert ledger.of(sku) == [1]
    assert rows(SOURCE, "SELECT sent_at FROM bus_subscription WHERE sent_at IS NOT NULL") == []


def test_beginning_counts_as_a_resend(ledger: Ledger, carrier: InlineCarrier) -> None:
    """So an event that takes its whole worker with it is alone before long."""
    drain()
    publish_now(ran_low())
    _send(carrier)
    for times in (1, 2, 3):
        receiving.begin("orders")
        _send(carrier)
        assert row(SOURCE, "SELECT max(resends) FROM bus_subscription") == (times,)


def test_announcement_of_another_host_grows_stale(ledger: Ledger) -> None:
    """One that a broker gives back after minutes must not undo what was announced since."""
    (told, *_) = [one for one in subscriptions.announcements("orders") if one.accepts]
    nobody = f"nobody-{uuid4().hex}"  # all tests share the broker: the queue is this one's own
    queue = ack_queue_of(nobody)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        CeleryCarrier().announce(replace(told, source=nobody))
        message = msgspec.json.decode(client.lpop(queue))
        client.delete(f"_kombu.binding.{queue}")
    expires, eta = message["headers"]["expires"], message["headers"]["eta"]
    assert (expires is not None, eta) == (True, None)
    assert ANNOUNCED_FOR >= 30


def _send(carrier: InlineCarrier) -> None:
    from modules.platform.messaging import relay

    relay.send(SOURCE, relay.look(SOURCE).horizon, carrier)


def test_a_worker_that_begins_fetches_nothing_of_a_module_that_is_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even for the moment until it first looks: what it fetched would be somebody else's."""
    monkeypatch.setattr(authority, "_has_authority", lambda module: module != SOURCE)
    app = Celery("worker-of-a-test", broker="memory://", set_as_current=False)
    app.amqp.queues.select([*_queues([SOURCE, "orders"]), "celery"])
    TakesByAuthority(SimpleNamespace(app=app))
    assert set(app.amqp.queues.consume_from) == {*_queues(["orders"]), "celery"}


def _queues(modules: list[str]) -> list[str]:
    return worker_queues(modules) + outside_queues(modules)
