"""kombu's Redis channel keeps its client, and none whose pool of connections is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from celery import Celery, current_app
from django.conf import settings

from modules.platform.messaging import channel
from modules.platform.messaging.broker import celery_settings
from modules.platform.messaging.depths import depths

QUEUE = "bus.of_a_channel"


@pytest.fixture
def app() -> Iterator[Celery]:
    """Its messages are taken out again."""
    channel.install()
    made = Celery(set_as_current=False)
    made.conf.update(celery_settings(settings.REDIS_URL) | {"task_routes": None})
    yield made
    made.close()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(QUEUE)


def test_one_client_sends_all_messages(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """kombu's own channel makes one for each."""
    made: list[redis.Redis] = []
    create = redis.Redis.__init__

    def noting(self: redis.Redis, *arguments: object, **options: object) -> None:
        made.append(self)
        create(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(redis.Redis, "__init__", noting)
    app.send_task("nothing", queue=QUEUE)
    before = len(made)
    for _ in range(5):
        app.send_task("nothing", queue=QUEUE)
    assert len(made) == before
    assert depths([QUEUE], app) == {QUEUE: 6}


def test_client_goes_with_its_pool(app: Celery) -> None:
    """As after a fork, or when kombu has dropped what it had."""
    with app.connection_for_write() as connection:
        one = connection.channel()
        client = one._create_client()
        assert one._create_client() is client
        assert one._create_client(asynchronous=True) is not client
        one._disconnect_pools()
        assert one._create_client() is not client
        assert one._create_client().ping()


def test_a_host_has_it() -> None:
    """Its Celery app sees to it."""
    with current_app.connection_for_write() as connection:
        assert connection.transport.Channel is channel.Channel
