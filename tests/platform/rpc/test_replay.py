"""Used tokens are remembered: by Redis for all, by the process while Redis is away."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from modules.platform.rpc.replay import LEFT_ALONE, PREFIX, Replays, Seen
from tests.platform.rpc.withholding import Withholding


class Clock:
    """Moves when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def jti() -> str:
    return uuid4().hex


def test_a_token_is_used_once_by_all_processes(jti: str) -> None:
    """Two memories, one Redis."""
    one, other = Replays(settings.REDIS_URL), Replays(settings.REDIS_URL)
    assert one.first_use("shop", jti, 30)
    assert not one.first_use("shop", jti, 30)
    assert not other.first_use("shop", jti, 30)
    assert other.first_use("payment", jti, 30)  # another issuer's is another token
    one.close()
    other.close()


def test_redis_forgets_when_the_token_has_ended(jti: str) -> None:
    """It keeps nothing for ever."""
    one = Replays(settings.REDIS_URL)
    one.first_use("shop", jti, 30)
    one.close()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        assert 0 < client.ttl(f"{PREFIX}shop:{jti}") <= 30


def test_of_many_at_once_one_is_the_first(jti: str) -> None:
    """Between processes (one memory each) and between threads."""
    several = [Replays(settings.REDIS_URL) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(one.first_use, "shop", jti, 30) for one in several * 8]
        assert sum(each.result() for each in asked) == 1
    for one in several:
        one.close()


def test_threads_that_end_give_back_what_they_had(jti: str) -> None:
    """A server's threads come and go; more of them than a pool has connections still ask Redis."""
    one, other = Replays(settings.REDIS_URL), Replays(settings.REDIS_URL)
    for number in range(150):
        thread = threading.Thread(target=one.first_use, args=("shop", f"{jti}-{number}", 30))
        thread.start()
        thread.join()
    assert not other.first_use("shop", f"{jti}-149", 30)
    one.close()
    other.close()


def test_one_that_nobody_closes_leaves_no_connection(jti: str) -> None:
    """Not even until garbage is collected; those of threads that go on as well."""
    with redis.Redis.from_url(settings.REDIS_URL) as client, ThreadPoolExecutor(1) as pool:
        known = lambda: sum(one["name"] == jti for one in client.client_list())  # noqa: E731
        forgotten = Replays(f"{settings.REDIS_URL}?client_name={jti}")
        assert pool.submit(forgotten.first_use, "shop", jti, 30).result()
        assert forgotten.first_use("shop", f"{jti}-too", 30)
        assert known() == 2
        del forgotten
        until = time.monotonic() + 10
        while known():
            assert time.monotonic() < until
            time.sleep(0.01)


def test_answer_that_nobody_read_is_nobody_elses(jti: str) -> None:
    """A thread ends between asking and reading, and the answer would be yes; the next one has its
    connection and a token that was used before, and is told so.
    """
    one, other = Replays(settings.REDIS_URL), Replays(settings.REDIS_URL)
    assert other.first_use("shop", jti, 30)
    thread = threading.Thread(target=one.begin_use, args=("shop", f"{jti}-left", 30))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(one.first_use, "shop", jti, 30).result() is False
    one.close()
    other.close()


def test_redis_is_told_before_its_answer_is_read(jti: str) -> None:
    """So that the rest of a call can be made ready meanwhile; the answer is the same as at once."""
    one, other = Replays(settings.REDIS_URL), Replays(settings.REDIS_URL)
    is_first = one.begin_use("shop", jti, 30)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        until = time.monotonic() + 10
        while not client.exists(f"{PREFIX}shop:{jti}") and time.monotonic() < until:
            time.sleep(0.01)
    assert not other.begin_use("shop", jti, 30)()
    assert is_first()
    one.close()
    other.close()


def test_an_answer_that_nobody_read_is_not_the_next_ones(jti: str) -> None:
    """Whichever of the two it is; and both tokens are remembered."""
    one, other = Replays(settings.REDIS_URL), Replays(settings.REDIS_URL)
    used, new = f"used-{jti}", f"new-{jti}"
    assert other.first_use("shop", used, 30)
    one.begin_use("shop", new, 30)
    assert not one.first_use("shop", used, 30)
    assert other.first_use("payment", used, 30)
    one.begin_use("payment", used, 30)
    assert one.first_use("payment", new, 30)
    assert not other.first_use("payment", new, 30)
    one.close()
    other.close()


def test_redis_may_go_between_the_two_steps(jti: str, caplog: pytest.LogCaptureFixture) -> None:
    """As when it is away before: this process remembers, and Redis is left alone for a while."""
    clock = Clock()
    with Withholding(settings.REDIS_URL) as memory:
        one = Replays(memory.url, clock=clock)
        is_first = one.begin_use("shop", jti, 30)
        assert memory.withholds.wait(30)
        memory.hang_up()
        assert is_first()
    assert not one.first_use("shop", jti, 30)
    assert one.first_use("shop", "another", 30)
    assert caplog.text.count("rpc.replay_memory_away") == 1
    one.close()


def test_the_process_remembers_while_redis_is_away(
    jti: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls go on, replays at this process are refused, and it is logged once, not each time."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"redis://127.0.0.1:{taken.getsockname()[1]}"
    clock = Clock()
    one = Replays(nowhere, clock=clock)
    assert one.first_use("shop", jti, 30)
    assert not one.first_use("shop", jti, 30)
    assert one.first_use("shop", "another", 30)
    assert caplog.text.count("rpc.replay_memory_away") == 1
    clock.now += LEFT_ALONE + 0.1
    assert one.first_use("shop", "a third", 30)
    assert caplog.text.count("rpc.replay_memory_away") == 2
    one.close()


def test_what_was_used_before_redis_went_is_known(jti: str) -> None:
    """The process remembers what it was asked itself, also while Redis is there."""
    seen = Seen()
    before, after = Replays(settings.REDIS_URL, seen=seen), Replays("", seen=seen)
    assert before.first_use("shop", jti, 30)
    assert not after.first_use("shop", jti, 30)
    before.close()


def test_memory_is_bounded_and_forgets_what_ends_first() -> None:
    """However many tokens come."""
    seen = Seen(most=100, clock=Clock())
    assert all(seen.add(str(number), 10 + number) for number in range(150))
    assert len(seen) == 100
    assert not seen.add("149", 10)
    assert seen.add("0", 500)


def test_memory_forgets_what_has_ended() -> None:
    """Its token is refused for its age by then."""
    clock = Clock()
    seen = Seen(clock=clock)
    seen.add("a", 30)
    clock.now += 31
    assert seen.add("a", 30)
    assert len(seen) == 1
