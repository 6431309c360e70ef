"""Brokers as they are: RabbitMQ that crashes, and both kinds standing still."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random

import kombu.exceptions
import pytest
import redis
from celery import Celery
from django.conf import settings

from modules.platform.databases import embedded
from modules.platform.messaging.broker import ANSWER, CONNECT, celery_settings, told
from modules.platform.messaging.carrier import worker_queues
from modules.platform.messaging.depths import depths
from tests.platform.example import EXAMPLE
from tests.platform.messaging.stack import Stack, stack
from tests.rabbit import Rabbit, running_rabbit
from tests.waiting import eventually

pytestmark = [pytest.mark.processes, pytest.mark.debian, pytest.mark.timeout(240)]

StandsStill = Callable[[], AbstractContextManager[None]]


# Seconds. RabbitMQ 3.10 writes down a new quorum queue a moment after it has said that it is there:
# a crash in between loses what is in it, and at times the queue serves nobody any more.
SETTLED = 3


@pytest.fixture(scope="module")
def rabbit() -> Iterator[Rabbit]:
    """With the host's queues in it, as they are in any but a new one."""
    with running_rabbit() as running:
        _make_queues(running.url)
        time.sleep(SETTLED)
        yield running


@pytest.fixture
def host(rabbit: Rabbit) -> Iterator[Stack]:
    """The small host, its bus carried by RabbitMQ."""
    with stack(settings.DATABASE_URL, rabbit.url) as running:
        yield running


def test_nothing_is_lost_doubled_or_reordered_on_rabbitmq(host: Stack, rabbit: Rabbit) -> None:
    """Kills of workers, relays and the broker, which also stands still, at 200 events/s."""
    random = Random(11)
    count = 2400

    def restart() -> None:
        rabbit.kill()
        rabbit.start()

    def stand_still() -> None:
        with rabbit.standing_still():
            time.sleep(1)

    host.worker()
    host.relay()
    host.publish(count, 200, wait=False)
    harms = [
        lambda: (host.kill("worker"), host.worker()),
        restart,
        lambda: (host.kill("relay"), host.relay()),
        stand_still,
        host.end_sessions,
    ]
    done = 0
    while done < len(harms) or host.processes["publisher"].poll() is None:
        time.sleep(random.uniform(0.5, 1.2))
        harms[done % len(harms)]()
        done += 1
    assert host.processes["publisher"].returncode == 0, host.said("publisher")
    host.wait_for(count, 60)
    host.check(count)


def test_what_was_handed_over_outlasts_a_crash_of_rabbitmq(host: Stack, rabbit: Rabbit) -> None:
    """Queues and messages are durable: without a relay to send them again they are handled."""
    host.environment["HOST_LEASE"] = "300"
    host.publish(50, 0)
    host.relay()  # sends one batch of each part, and no other before its receipt
    batches = host.query("SELECT count(DISTINCT part) FROM inventory.bus_outbox")[0][0]
    app = _app(rabbit.url)
    _until(lambda: depths(["bus.orders"], app)["bus.orders"] == batches, host)
    host.kill("relay")
    rabbit.kill()
    rabbit.start()
    host.worker()
    host.wait_for(50, 30)
    host.check(50)


def test_an_idle_worker_keeps_its_connection_and_says_that_it_is_there(host: Stack) -> None:
    """Silence of the broker is no fault while nobody asks it anything."""
    host.worker()
    host.relay()
    host.publish(1, 0)
    host.wait_for(1, 30)
    time.sleep(ANSWER + 1)
    assert host.run("attended", "bus.orders").strip() == "True"
    assert host.run("attended", "bus.nobody").strip() == "False"
    host.publish(1, 0)
    host.wait_for(2, 10)
    assert "Connection to broker lost" not in host.said("worker")


@contextmanager
def _own_redis() -> Iterator[tuple[str, StandsStill]]:
    with tempfile.TemporaryDirectory(prefix="ficus-redis-") as name:
        home = Path(name)
        home.chmod(0o755)
        url = embedded.ensure_redis(home).url
        with redis.Redis.from_url(url) as client:
            pid = client.info()["process_id"]

        @contextmanager
        def standing_still() -> Iterator[None]:
            os.kill(pid, signal.SIGSTOP)
            try:
                yield
            finally:
                os.kill(pid, signal.SIGCONT)

        try:
            yield url, standing_still
        finally:
            embedded.stop_redis(home)


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Iterator[tuple[str, StandsStill]]:
    """Its URL, and what makes it stand still with all connections open."""
    if request.param == "redis":
        with _own_redis() as own:
            yield own
    else:
        rabbit: Rabbit = request.getfixturevalue("rabbit")
        # Other tests harm the same one, and it may reset a connection right after.
        eventually(lambda: _takes_messages(rabbit.url), "a message taken")
        yield rabbit.url, rabbit.standing_still


def test_a_broker_that_stands_still_holds_nobody(broker: tuple[str, StandsStill]) -> None:
    """Whoever has something for it hears so within seconds, and is served again afterwards.

    An order's request is among them, and a relay with a lease.
    """
    url, standing_still = broker
    app = _app(url)

    def send() -> float:
        began = time.monotonic()
        try:
            app.send_task("nothing", queue="bus.nobody")
        finally:
            took.append(time.monotonic() - began)
        return took[-1]

    took: list[float] = []
    send()
    with standing_still():
        for _ in range(2):
            with pytest.raises(kombu.exceptions.OperationalError) as raised:
                send()
            assert "OperationalError('')" not in told(raised.value)
    # The first has an open connection, which it tells that channel and connection end; the next
    # is refused its connection.
    assert took[1] < 3 * ANSWER + 1
    assert took[2] < CONNECT + ANSWER + 1
    assert send() < CONNECT


def test_queues_tell_how_much_waits_in_them(broker: tuple[str, StandsStill]) -> None:
    """One that is not there is empty; a broker that stands still is an error within seconds."""
    url, standing_still = broker
    app = _app(url)
    for _ in range(3):
        app.send_task("nothing", queue="bus.nobody_else")
    asked = ["bus.unheard_of", "bus.nobody_else"]
    eventually(lambda: depths(asked, app) == {"bus.unheard_of": 0, "bus.nobody_else": 3})
    began = time.monotonic()
    with standing_still(), pytest.raises((*app.connection().connection_errors, OSError)):
        depths(asked, app)
    assert time.monotonic() - began < 3 * ANSWER + 1


def _app(url: str) -> Celery:
    app = Celery(set_as_current=False)
    app.conf.update(celery_settings(url) | {"task_routes": None})
    return app


def _takes_messages(url: str) -> bool:
    try:
        _app(url).send_task("nothing", queue="bus.nobody")
    except kombu.exceptions.OperationalError:
        return False
    return True


def _make_queues(url: str) -> None:
    app = _app(url)
    with app.connection_for_write() as connection:
        for name in worker_queues((EXAMPLE, "orders")):
            app.amqp.queues[name].bind(connection).declare()


def _until(what: Callable[[], bool], host: Stack) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end, host.said("relay")
        time.sleep(0.1)
