"""Limits that several doors count together in a real Redis, and what happens without it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from modules.platform.databases import embedded
from tests.proxy.client import ask, crowd, patch
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import Origin, origin
from tests.proxy.stage import capability, instances, nobody, route
from tests.waiting import eventually

TEN = {"requests": 10, "seconds": 86_400}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis that keeps nothing."""
    home = tmp_path_factory.mktemp("redis")
    home.chmod(0o755)
    yield embedded.ensure_redis(home, durable=False).url
    embedded.stop_redis(home)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    with origin() as running:
        yield running


def document(upstream: Origin, url: str, seconds: float = 2.0) -> dict[str, Any]:
    """Who asks says so in an API key, which the upstream would verify."""
    return {
        "authentication": {
            "keys": {"file": "none.json"},
            "issuer": "i",
            "audience": "a",
            "opaque_headers": ["X-Api-Key"],
        },
        "shared_limits": {"redis": url, "timeout_seconds": seconds},
        "rate_limits": {"ten": TEN, "twelve": {**TEN, "requests": 12, "per": "address"}},
        "upstreams": {"up": instances(upstream)},
        "routes": [
            route("one", upstream="up", rate_limits=["ten"]) | {"authentication": "optional"},
            route("two", upstream="up", rate_limits=["ten", "twelve"])
            | {"authentication": "optional"},
        ],
    }


@pytest.fixture(scope="module")
def doors(
    server: str, upstream: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[FrontDoor]]:
    """Two of them."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                front_door(tmp_path_factory.mktemp("door"), document(upstream, server))
            )
            for _ in range(2)
        ]


@pytest.fixture(autouse=True)
def empty(server: str) -> None:
    """Nobody has asked for anything yet."""
    with redis.Redis.from_url(server) as client:
        client.flushall()


def allowed(*doors: FrontDoor, times: int = 15, target: str = "/one", key: str = "") -> int:
    """How many of so many requests to each door at once get through."""
    headers = {"X-Api-Key": key or uuid4().hex}
    with crowd(times) as people:
        asked = [
            people.ask(door.port, "GET", target, headers=headers)
            for _ in range(times)
            for door in doors
        ]
        replies = [one.result() for one in asked]
    assert {reply.status for reply in replies} <= {200, 429}
    return sum(reply.status == 200 for reply in replies)


def test_doors_let_through_together_what_one_may(doors: list[FrontDoor]) -> None:
    """Thirty requests at once through two doors: exactly ten, for each of two callers."""
    assert [allowed(*doors) for _ in range(2)] == [10, 10]


def test_what_one_door_has_counted_the_other_tells(doors: list[FrontDoor]) -> None:
    """The RateLimit fields are those of all doors together."""
    headers = {"X-Api-Key": "told"}
    left = []
    for number in range(12):
        reply = ask(doors[number % 2].port, "GET", "/one", headers=headers)
        left.append((reply.status, reply.headers["ratelimit"].partition(";t=")[0]))
    assert (
        left == [(200, f'"ten";r={9 - number}') for number in range(10)] + [(429, '"ten";r=0')] * 2
    )
    assert reply.headers["ratelimit-policy"] == '"ten";q=10;w=86400'
    assert int(reply.headers["retry-after"]) > 1000


def test_limits_by_address_and_by_identity_hold_both(doors: list[FrontDoor]) -> None:
    """Twelve for the address; ten of them at most for one caller."""
    assert allowed(*doors, target="/two") == 10
    assert allowed(*doors, target="/two") == 2


def test_bodies_wait_with_their_request(doors: list[FrontDoor], upstream: Origin) -> None:
    """While Redis is asked, what comes of the body is not lost, and a refused one is not sent."""
    headers = {"X-Api-Key": "bodies"}
    body = os.urandom(300_000)
    pieces = [body[at : at + 20_000] for at in range(0, len(body), 20_000)]
    for sent in (body, pieces):
        assert ask(doors[0].port, "POST", "/one", body=sent, headers=headers).status == 200
        assert upstream.got[-1].body == body
    allowed(doors[0], key="bodies")
    before = len(upstream.got)
    assert ask(doors[1].port, "POST", "/one", body=b"x", headers=headers).status == 429
    assert len(upstream.got) == before


def test_command_is_not_held_by_a_table_that_is_gone(upstream: Origin, tmp_path: Path) -> None:
    """The capability was released while its limits were being counted."""
    with socket.create_server(("127.0.0.1", 0)) as silent, crowd() as people:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        table = document(upstream, url, 1.0)
        table["upstreams"] = {"monolith": instances(upstream), "service": instances(upstream)}
        table["capabilities"] = {"one": capability(held=True)}
        table["routes"] = [route("one", capability="one", rate_limits=["ten"])]
        with front_door(tmp_path, table) as door:
            waiting = people.ask(door.port, "POST", "/one")
            time.sleep(0.3)
            patch(door, "one", held=False)
            assert waiting.result().status == 200
            assert waiting.result().seconds < 2


def test_without_redis_each_door_counts_for_itself(upstream: Origin, tmp_path: Path) -> None:
    """Nobody is refused or slowed for it: ten get through each door."""
    with (
        nobody() as port,
        front_door(tmp_path, document(upstream, f"redis://127.0.0.1:{port}/0", 0.05)) as door,
    ):
        begun = time.monotonic()
        assert allowed(door) == 10
        assert time.monotonic() - begun < 2
        replies = [ask(door.port, "GET", "/one", headers={"X-Api-Key": "slow"}) for _ in range(10)]
        assert all(reply.status == 200 and "ratelimit" in reply.headers for reply in replies)
        assert max(reply.seconds for reply in replies[5:]) < 0.2


def test_redis_that_hangs_is_not_waited_for_and_counts_again_when_it_is_back(
    upstream: Origin, tmp_path: Path
) -> None:
    """Stopped in the middle of its work: local limits, then the shared ones again."""
    home = tmp_path / "redis"
    home.mkdir(mode=0o755)
    url = embedded.ensure_redis(home, durable=False).url
    try:
        with redis.Redis.from_url(url) as client:
            pid = int(client.info("server")["process_id"])
            with front_door(tmp_path / "door", document(upstream, url, 0.5)) as door:
                assert allowed(door) == 10
                assert client.dbsize() > 0
                os.kill(pid, signal.SIGSTOP)
                try:
                    begun = time.monotonic()
                    assert allowed(door) == 10
                    assert time.monotonic() - begun < 2
                finally:
                    os.kill(pid, signal.SIGCONT)
                time.sleep(1.2)
                eventually(lambda: counts(client, door))
    finally:
        embedded.stop_redis(home)


def counts(client: redis.Redis, door: FrontDoor) -> bool:
    """Whether a request leaves a trace in Redis."""
    client.flushall()
    ask(door.port, "GET", "/one", headers={"X-Api-Key": uuid4().hex})
    return client.dbsize() == 1
