"""Shared limits on a real Redis: exact between proxies, and what stands in while it is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import redis
import uvloop

from modules.platform.databases import embedded
from strangler_proxy.config import RateLimit, SharedLimits
from strangler_proxy.errors import TableRefused
from strangler_proxy.limits.in_redis import FLIGHTS, SharedLimiter
from strangler_proxy.limits.local import FREE, Limiter, Verdict
from tests.proxy.answering import answering, closed_port, sending

PATIENT = 5.0  # seconds: a busy machine is not what these tests are about


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis that keeps nothing."""
    home = tmp_path_factory.mktemp("redis")
    home.chmod(0o755)
    yield embedded.ensure_redis(home, durable=False).url
    embedded.stop_redis(home)


@pytest.fixture
def client(server: str) -> Iterator[redis.Redis]:
    """An empty database, as the tests look at it."""
    with redis.Redis.from_url(server) as one:
        one.flushall()
        yield one


@asynccontextmanager
async def proxy(
    url: str, timeout: float = PATIENT, later: list[float] | None = None, **limits: RateLimit
) -> AsyncIterator[SharedLimiter]:
    """The limiter of one proxy; ``later`` holds the seconds by which its clock is ahead."""
    ahead = later or [0.0]
    one = SharedLimiter(
        Limiter(limits),
        SharedLimits(redis=url, timeout_seconds=timeout),
        clock=lambda: time.monotonic() + ahead[0],
    )
    try:
        yield one
    finally:
        await one.close()


def hourly(requests: int, per: str = "identity") -> RateLimit:
    """So slow that nothing comes back during a test."""
    return RateLimit(requests=requests, seconds=86_400, per=per)  # type: ignore[arg-type]


async def allowed(one: SharedLimiter, times: int, now: float = 0.0) -> int:
    """How many of so many requests at once get through."""
    verdicts = await asyncio.gather(*(one.take(("a",), "x", "", now) for _ in range(times)))
    return sum(verdict.allowed for verdict in verdicts)


# ---------------------------------------------------------------- together


def test_eight_proxies_never_exceed_the_quota_together(client: redis.Redis, server: str) -> None:
    """Eight hundred requests through eight proxies at once: exactly the hundred."""

    async def scene() -> None:
        async with AsyncExitStack() as stack:
            proxies = [
                await stack.enter_async_context(proxy(server, a=hourly(100))) for _ in range(8)
            ]
            assert sum(await asyncio.gather(*(allowed(one, 100) for one in proxies))) == 100
            assert all(one.state.stood_in == 0 for one in proxies)
            assert sum(one.state.counted for one in proxies) == 800

    uvloop.run(scene())


def test_who_asks_as_all_calls_end_is_answered(client: redis.Redis, server: str) -> None:
    """The answers of all calls lie there when the proxy looks, and one request more comes so many
    turns of the loop later: at one of them each call has ended, and none could take it along.
    """

    async def scene() -> None:
        async with proxy(server, a=hourly(1000)) as one:

            def asked() -> asyncio.Task[Verdict]:
                return asyncio.create_task(one.take(("a",), "x", "", 0.0))

            for turns in (0, *range(8)):  # the first time opens the connections
                client.client_pause(10_000, all=False)  # of what writes, and so of all calls
                asking = []
                for _ in range(FLIGHTS):
                    asking.append(asked())
                    await asyncio.sleep(0.002)  # so that each is a call of its own
                client.client_unpause()
                time.sleep(0.02)  # it answers all, and nobody looks yet
                for _ in range(turns):
                    await asyncio.sleep(0)
                asking.append(asked())
                async with asyncio.timeout(PATIENT):
                    assert all(verdict.allowed for verdict in await asyncio.gather(*asking))

    uvloop.run(scene())


def test_the_quota_comes_back_as_fast_as_it_should(client: redis.Redis, server: str) -> None:
    """Two proxies that never stop asking get the burst and then the rate, by Redis's clock."""
    rate = RateLimit(requests=20, seconds=1.0)

    async def scene() -> None:
        async with proxy(server, a=rate) as one, proxy(server, a=rate) as two:
            began, got = time.perf_counter(), 0
            while time.perf_counter() - began < 0.5:
                got += await allowed(one, 3) + await allowed(two, 3)
            period = time.perf_counter() - began
            assert 20 + 20 * 0.5 - 2 <= got <= 20 + 20 * period + 1

    uvloop.run(scene())


def test_the_clocks_of_the_proxies_do_not_matter(client: redis.Redis, server: str) -> None:
    """One that is a day ahead gets nothing more, one that is behind nothing less."""

    async def scene() -> None:
        async with proxy(server, a=hourly(4)) as one, proxy(server, a=hourly(4)) as two:
            assert await allowed(one, 2, now=0.0) == 2
            assert await allowed(two, 2, now=86_400.0) == 2
            assert await allowed(one, 1, now=172_800.0) == 0

    uvloop.run(scene())


def test_it_says_the_same_as_a_local_limiter(client: redis.Redis, server: str) -> None:
    """Verdicts, fields and refusals, of one limit and of several."""
    limits = {"a": hourly(3), "b": hourly(5), "c": hourly(4, per="address")}
    local = Limiter(limits)

    async def scene() -> None:
        async with proxy(server, **limits) as one:
            for names in [
                ("a",),
                ("b", "a"),
                ("a", "c"),
                ("a", "b", "c"),
                ("b", "c"),
                ("b", "c"),
            ] * 2:
                for subject in ("x", None):
                    found: Verdict = await one.take(names, subject, "2001:db8::1", 0.0)
                    expected = local.take(names, subject, "2001:db8::ffff", 0.0)
                    assert found._replace(refusal=None, lines=b"", headers=()) == (
                        expected._replace(refusal=None, lines=b"", headers=())
                    )
                    assert _quotas(found) == _quotas(expected)

    uvloop.run(scene())


def _quotas(verdict: Verdict) -> list[bytes]:
    """The fields without seconds, which go on between the two."""
    return [part for _, value in verdict.headers for part in value.split(b";") if b"t=" not in part]


def test_a_request_is_one_round_trip(client: redis.Redis, server: str) -> None:
    """However many limits its route has."""
    limits = {"a": hourly(99), "b": hourly(99), "c": hourly(99, per="address")}

    async def scene() -> None:
        async with proxy(server, **limits) as one:
            await one.take(("a", "b", "c"), "x", "10.0.0.1", 0.0)
            client.config_resetstat()
            for _ in range(10):
                await one.take(("a", "b", "c"), "x", "10.0.0.1", 0.0)

    uvloop.run(scene())
    called = {
        name.removeprefix("cmdstat_"): each["calls"]
        for name, each in client.info("commandstats").items()
    }
    # What the script itself does is counted too.
    counts = {"evalsha": 10, "time": 10, "get": 30, "set": 30}
    assert {name: called[name] for name in counts} == counts
    assert set(called) <= {"evalsha", "time", "get", "set", "config", "info", "config|resetstat"}


def test_requests_that_come_together_travel_together(client: redis.Redis, server: str) -> None:
    """A thousand at once are a few calls, and each gets its own answer."""

    async def scene() -> None:
        limits = {"a": hourly(3), "b": hourly(600, per="address")}
        async with proxy(server, **limits) as one:
            routes = [(("a",), "ann"), (("a", "b"), "bob"), (("b",), "cid"), (("b", "a"), "dan")]
            asked = [routes[number % 4] for number in range(1000)]
            found = await asyncio.gather(*(one.take(*each, "10.0.0.1", 0.0) for each in asked))
            got = {
                subject: sum(
                    verdict.allowed
                    for verdict, (_, who) in zip(found, asked, strict=True)
                    if who == subject
                )
                for _, subject in routes
            }
            assert got == {"ann": 3, "bob": 3, "cid": 250, "dan": 3}
            names = {
                tuple(verdict.headers[0][1].split(b'"')[1::2])
                for verdict, (_, who) in zip(found, asked, strict=True)
                if who == "dan"
            }
            assert names == {(b"b", b"a")}

    client.config_resetstat()
    uvloop.run(scene())
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] <= 12


def test_nobody_waits_longer_than_the_timeout() -> None:
    """Also not those who wait behind others that wait for a Redis that hangs."""

    async def scene() -> None:
        async with (
            answering(sending(b"", then=60.0)) as hanging,
            proxy(f"redis://{hanging.address}", timeout=5.0, a=hourly(10_000)) as one,
        ):
            began = time.perf_counter()
            assert await allowed(one, 3000) == 3000
            assert time.perf_counter() - began < 9.6  # a second wait would make it 10.0

    uvloop.run(scene())


def test_closing_answers_who_still_waits() -> None:
    """A proxy that ends leaves no request hanging: local limits stand in."""

    async def scene() -> None:
        async with answering(sending(b"", then=60.0)) as hanging:
            async with proxy(f"redis://{hanging.address}", a=hourly(2)) as one:
                task = asyncio.create_task(allowed(one, 700))
                await asyncio.sleep(0.05)
                assert not task.done()
            assert await task == 2

    uvloop.run(scene())


def test_a_refused_request_uses_nothing_of_the_other_limits(
    client: redis.Redis, server: str
) -> None:
    """All or none, in Redis too."""

    async def scene() -> None:
        async with proxy(server, tight=hourly(1), a=hourly(5)) as one:
            for _ in range(20):
                await one.take(("a", "tight"), "x", "", 0.0)
            assert await allowed(one, 20) == 4

    uvloop.run(scene())


def test_keys_expire_when_the_quota_is_whole_again(client: redis.Redis, server: str) -> None:
    """Redis forgets who is idle by itself."""

    async def scene() -> None:
        async with proxy(server, a=RateLimit(requests=10, seconds=1.0)) as one:
            await allowed(one, 5)
            (key,) = client.keys("*")
            assert key.startswith(b"ficus:limit:a:10:1.0:i:x")
            assert 0 < client.pttl(key) <= 502
            await asyncio.sleep(0.6)
            assert client.keys("*") == []

    uvloop.run(scene())


def test_a_limit_that_was_changed_begins_anew(client: redis.Redis, server: str) -> None:
    """Its numbers mean something else, so it has another key."""

    async def scene() -> None:
        async with proxy(server, a=hourly(2)) as one, proxy(server, a=hourly(3)) as two:
            assert await allowed(one, 5) == 2
            assert await allowed(two, 5) == 3

    uvloop.run(scene())


def test_a_number_from_the_future_locks_nobody_out(client: redis.Redis, server: str) -> None:
    """Redis's clock was set back: at worst the whole quota is used up."""

    async def scene() -> None:
        async with proxy(server, a=RateLimit(requests=10, seconds=10.0)) as one:
            await allowed(one, 1)
            (key,) = client.keys("*")
            client.set(key, 1e12)
            verdict = await one.take(("a",), "x", "", 0.0)
            assert (verdict.allowed, verdict.retry_after) == (False, 1)

    uvloop.run(scene())


def test_a_script_that_redis_forgot_is_sent_again(client: redis.Redis, server: str) -> None:
    """After a restart of Redis, or SCRIPT FLUSH."""

    async def scene() -> None:
        async with proxy(server, a=hourly(9)) as one:
            await allowed(one, 1)
            client.script_flush()
            assert await allowed(one, 1) == 1
            assert one.state.stood_in == 0

    uvloop.run(scene())


def test_a_client_that_goes_away_leaves_no_answer_behind(client: redis.Redis, server: str) -> None:
    """A cancelled request's answer is never taken for another one's."""

    async def scene() -> None:
        async with proxy(server, a=hourly(2), b=hourly(10_000)) as one:
            assert await allowed(one, 3) == 2
            for step in range(60):
                task = asyncio.create_task(one.take(("b",), f"b{step}", "", 0.0))
                for _ in range(step % 12):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert not (await one.take(("a",), "x", "", 0.0)).allowed
            assert one.state.shared

    uvloop.run(scene())


def test_a_route_without_limits_does_not_ask(client: redis.Redis, server: str) -> None:
    """Nothing to count."""

    async def scene() -> None:
        async with proxy(server) as one:
            assert await one.take((), "x", "", 0.0) is FREE
            assert (await one.take(("gone",), "x", "", 0.0)).headers == ()
            assert one.state.counted == 0

    uvloop.run(scene())


# ---------------------------------------------------------------- away


def test_without_redis_local_limits_stand_in() -> None:
    """The quota holds for each proxy; the state says so and counts."""

    async def scene() -> None:
        async with proxy(f"redis://{await closed_port()}", a=hourly(5)) as one:
            assert sum([await allowed(one, 10) for _ in range(5)]) == 5
            assert not one.state.shared
            assert (one.state.counted, one.state.stood_in) == (0, 50)
            assert "ConnectionError" in one.state.error

    uvloop.run(scene())


def test_a_redis_that_hangs_costs_few_requests_their_time() -> None:
    """Each waits for ``timeout_seconds`` at most, and after a few nobody waits."""

    async def scene() -> None:
        async with (
            answering(sending(b"", then=60.0)) as hanging,
            proxy(f"redis://{hanging.address}", timeout=0.2, a=hourly(1000)) as one,
        ):
            slow = 0
            for _ in range(50):
                began = time.perf_counter()
                assert (await one.take(("a",), "x", "", 0.0)).allowed
                slow += time.perf_counter() - began > 0.15
            assert slow == 3
            assert one.state.stood_in == 50
            assert one.state.error == "TimeoutError"

    uvloop.run(scene())


def test_shared_limits_come_back_by_themselves(tmp_path: Path) -> None:
    """Redis ends, local limits stand in; it starts again, and one question finds that out."""
    tmp_path.chmod(0o755)
    url = embedded.ensure_redis(tmp_path, durable=False).url

    async def scene() -> None:
        later = [0.0]
        async with proxy(url, later=later, a=hourly(1000)) as one:
            assert await allowed(one, 3) == 3
            assert one.state.shared
            embedded.stop_redis(tmp_path)
            assert [await allowed(one, 5) for _ in range(4)] == [5] * 4
            assert (one.state.shared, one.state.stood_in) == (False, 20)
            assert embedded.ensure_redis(tmp_path, durable=False).url == url
            assert await allowed(one, 20) == 20
            assert one.state.stood_in == 40
            later[0] += 1.0  # seconds that the breaker rests
            assert await allowed(one, 1) == 1
            assert one.state.shared
            assert await allowed(one, 20) == 20
            assert (one.state.counted, one.state.stood_in) == (24, 40)

    try:
        uvloop.run(scene())
    finally:
        embedded.stop_redis(tmp_path)


def test_a_redis_that_refuses_is_as_good_as_none(client: redis.Redis, server: str) -> None:
    """A wrong password, a key of another type: the error is told, local limits stand in."""

    async def scene() -> None:
        wrong = server.replace("redis://:", f"redis://:{uuid4().hex}")
        async with proxy(wrong, a=hourly(5)) as one:
            assert await allowed(one, 9) == 5
            assert "Auth" in one.state.error
        async with proxy(server, a=hourly(5)) as one:
            await allowed(one, 1)
            (key,) = client.keys("*")
            client.delete(key)
            client.lpush(key, "x")
            await allowed(one, 9)
            assert "WRONGTYPE" in one.state.error

    uvloop.run(scene())


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis://localhost:port"])
def test_an_url_that_is_none_is_refused(url: str) -> None:
    """With the place in the document."""
    with pytest.raises(TableRefused, match=r"\$\.shared_limits\.redis"):
        SharedLimiter(Limiter({}), SharedLimits(redis=url))
