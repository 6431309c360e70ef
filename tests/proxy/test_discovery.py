"""Sources of instances: the document, DNS, a registry over HTTP, and registrations."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from strangler_proxy.balance import Balancer, Member
from strangler_proxy.config import Dns, Instance, Registry, Upstream
from strangler_proxy.discovery import registrations as registrations_room
from strangler_proxy.discovery import registry as registry_room
from strangler_proxy.discovery.announcement import Announcement, read_announcement, to_instances
from strangler_proxy.discovery.registrations import Registrations
from strangler_proxy.discovery.registry import RegistryClient
from strangler_proxy.discovery.sources import Dns as DnsSource
from strangler_proxy.discovery.sources import Registered, Source, Static, source_for
from tests.proxy.answering import (
    Answer,
    Server,
    answering,
    closed_port,
    dripping,
    saying,
    sending,
    until,
)

Run = Callable[[Coroutine[Any, Any, None]], None]
RNG = random.Random(1)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """The proxy runs on uvloop; the sources work on both."""
    return asyncio.run if request.param == "asyncio" else uvloop.run


class Lists(list[dict[str, int]]):
    """What a source published: address to weight, list by list."""

    def publish(self, instances: Sequence[Instance]) -> None:
        self.append({one.address: one.weight for one in instances})


@asynccontextmanager
async def running(source: Source) -> AsyncIterator[Lists]:
    """The source at work, and what it publishes."""
    lists = Lists()
    task = asyncio.create_task(source.run(lists.publish))
    try:
        yield lists
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


# ---------------------------------------------------------------- document


def test_document_is_published_once() -> None:
    """Then there is nothing more to do."""
    instances = (Instance(address="a:1"), Instance(address="b:1", weight=3))
    source = Static("shop", instances, clock=time.monotonic)
    lists = Lists()

    asyncio.run(source.run(lists.publish))

    assert lists == [{"a:1": 1, "b:1": 3}]


@pytest.mark.parametrize(
    ("rules", "kind"),
    [
        (Upstream(instances=(Instance(address="a:1"),)), Static),
        (Upstream(dns=Dns(name="shop", port=80)), DnsSource),
        (Upstream(registry=Registry()), Registered),
        (Upstream(registry=Registry(url="http://registry/shop")), RegistryClient),
    ],
)
def test_each_upstream_gets_the_source_it_names(rules: Upstream, kind: type) -> None:
    """One of the four."""
    source = source_for("shop", rules, Registrations(), rng=RNG, clock=time.monotonic)

    assert type(source) is kind


# ---------------------------------------------------------------- DNS


class Resolver:
    """Answers like getaddrinfo; ``answers`` may be changed at any time."""

    def __init__(self, *addresses: str) -> None:
        self.answer: tuple[str, ...] | Exception = addresses
        self.asked: list[tuple[Any, Any]] = []

    async def __call__(self, host: str, port: int, **options: Any) -> list[tuple[Any, ...]]:
        self.asked.append((host, port))
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, port))
            for one in self.answer
        ]


def dns(resolver: Resolver | None = None, name: str = "shop.internal", port: int = 80) -> DnsSource:
    rules = Dns(name=name, port=port, refresh_seconds=0.01)
    return DnsSource("shop", rules, rng=RNG, clock=time.monotonic, getaddrinfo=resolver)


def test_every_address_of_a_name_is_an_instance() -> None:
    """IPv4 and IPv6, each once, in an order that does not change; published only when it does."""

    async def scenario() -> None:
        resolver = Resolver("10.0.0.2", "fd00::1", "10.0.0.1", "10.0.0.2")
        async with running(dns(resolver)) as lists:
            await until(lambda: len(resolver.asked) > 3)
            resolver.answer = ("fd00::1", "10.0.0.1", "10.0.0.2")
            asked = len(resolver.asked)
            await until(lambda: len(resolver.asked) > asked + 3)
            assert lists == [{"10.0.0.1:80": 1, "10.0.0.2:80": 1, "[fd00::1]:80": 1}]
            resolver.answer = ("10.0.0.1",)
            await until(lambda: len(lists) > 1)
            assert lists[1] == {"10.0.0.1:80": 1}
        assert resolver.asked[0] == ("shop.internal", 80)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError("network is down"), "network is down"),
        (UnicodeError("label too long"), "label too long"),
        ((), "has no address"),
        (RuntimeError("what nobody thought of"), "what nobody thought of"),
    ],
)
def test_last_good_answer_stays_when_dns_dies(
    failure: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty answer too is a failure. It is said once, and again when it is over."""
    caplog.set_level(logging.INFO, "strangler_proxy")

    async def scenario() -> None:
        resolver = Resolver("10.0.0.1")
        source = dns(resolver)
        async with running(source) as lists:
            await until(lambda: lists)
            resolver.answer = failure
            await until(lambda: source.state.failing_since)
            asked = len(resolver.asked)
            await until(lambda: len(resolver.asked) > asked + 3)
            snapshot = source.state.snapshot(time.monotonic())
            assert reason in snapshot["reason"]
            assert snapshot["instances"] == 1
            assert snapshot["age_seconds"] >= snapshot["failing_seconds"] > 0
            resolver.answer = ("10.0.0.1",)
            await until(lambda: not source.state.failing_since)
            assert source.state.snapshot(0)["reason"] == ""
        assert lists == [{"10.0.0.1:80": 1}]

    asyncio.run(scenario())
    assert caplog.text.count(reason) == 1
    assert "the last 1 stay" in caplog.text
    assert caplog.text.count("dns shop.internal answers again") == 1


def test_localhost_is_resolved(run: Run) -> None:
    """By the resolver of this machine."""

    async def scenario() -> None:
        async with running(dns(name="localhost", port=8000)) as lists:
            await until(lambda: lists)
        assert lists[0].keys() & {"127.0.0.1:8000", "[::1]:8000"}

    run(scenario())


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b", "x" * 300])
def test_name_without_addresses_publishes_nothing(run: Run, name: str) -> None:
    """By the resolver of this machine; asking goes on."""

    async def scenario() -> None:
        source = dns(name=name)
        async with running(source) as lists:
            await until(lambda: source.state.failing_since, seconds=15)
        assert lists == []
        assert f"{name} cannot be resolved" in source.state.reason

    run(scenario())


# ---------------------------------------------------------------- registry


def listing(*instances: dict[str, Any], status: str = "200 OK", headers: str = "") -> Answer:
    return saying(status, json.dumps({"instances": instances}).encode(), headers)


def client(url: str, **options: Any) -> RegistryClient:
    rules = Registry(**{"url": url, "refresh_seconds": 0.01, **options})
    return RegistryClient("shop", rules, rng=RNG, clock=time.monotonic)


@asynccontextmanager
async def registry(
    answer: Answer, **options: Any
) -> AsyncIterator[tuple[Server, RegistryClient, Lists]]:
    """A registry, somebody who asks it, and what is published."""
    async with answering(answer) as server:
        source = client(f"http://{server.address}/shop?all=1", **options)
        async with running(source) as lists:
            yield server, source, lists


def test_instances_of_a_registry_are_published(run: Run) -> None:
    """With weights; capacity is another word for it; what else it says does not disturb."""

    async def scenario() -> None:
        answer = listing(
            {"address": "10.0.0.2:80", "weight": 4, "capacity": 9, "zone": {"a": [1]}},
            {"address": "10.0.0.1:80", "capacity": 2, "version": "1.2", "contract": "cart.v3"},
            {"address": "unix:/run/shop.sock", "role": "own", "weight": None},
            {"address": "[fd00::1]:80"},
        )
        async with registry(answer) as (server, _, lists):
            await until(lambda: len(server.heads) > 3)
        assert lists == [
            {"10.0.0.1:80": 2, "10.0.0.2:80": 4, "[fd00::1]:80": 1, "unix:/run/shop.sock": 1}
        ]
        assert server.heads[0].startswith(b"GET /shop?all=1 HTTP/1.1\r\n")

    run(scenario())


def test_only_instances_of_the_role_are_taken(run: Run) -> None:
    """Those bound to the other database, or to none, are not asked; it may leave nobody."""

    async def scenario() -> None:
        answer = listing(
            {"address": "a:1", "role": "own"},
            {"address": "b:1", "role": "origin"},
            {"address": "c:1"},
        )
        async with registry(answer, role="own") as (server, _, lists):
            await until(lambda: lists)
            server.answer = listing({"address": "a:1", "role": "origin"})
            await until(lambda: len(lists) > 1)
        assert lists == [{"a:1": 1}, {}]

    run(scenario())


def test_unchanged_answer_is_not_sent_again(run: Run) -> None:
    """The ETag is given back, 304 is understood, and a new ETag replaces the old one."""

    async def scenario() -> None:
        tag, address = '"1"', "a:1"

        async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
            known = f"if-none-match: {tag}\r\n".encode() in head.lower()
            headers = f"etag: {tag}\r\n"
            reply = (
                saying("304 Not Modified")
                if known
                else listing({"address": address}, headers=headers)
            )
            await reply(head, writer)

        async with registry(answer) as (server, source, lists):
            await until(lambda: len(server.heads) > 5)
            assert b"if-none-match" not in server.heads[0].lower()
            assert b'if-none-match: "1"' in server.heads[1].lower()
            tag, address = '"2"', "b:1"
            await until(lambda: len(lists) > 1)
            assert source.state.failing_since is None
        assert lists == [{"a:1": 1}, {"b:1": 1}]

    run(scenario())


def test_refused_answer_leaves_no_tag(run: Run) -> None:
    """Or a bad answer would be kept as unchanged for ever."""

    async def scenario() -> None:
        async with registry(listing({"address": "nowhere"}, headers='etag: "1"\r\n')) as got:
            server, source, lists = got
            await until(lambda: len(server.heads) > 3)
            assert not any(b"if-none-match" in head.lower() for head in server.heads)
            assert "$.instances[0].address" in source.state.reason
            server.answer = saying("304 Not Modified")
            await until(lambda: "answered 304" in source.state.reason)
            assert lists == []

    run(scenario())


BAD_ANSWERS = {
    "error": (saying("500 Oh"), "answered 500"),
    "redirect": (saying("301 Moved", headers="location: /\r\n"), "answered 301"),
    "no JSON": (saying(body=b"<html>"), "no list"),
    "no UTF-8": (saying(body=b'{"instances": [{"address": "\xff:1"}]}'), "no list"),
    "no object": (saying(body=b"[]"), "no list"),
    "no instances": (saying(body=b"{}"), "instances"),
    "one wrong": (listing({"address": "b:1"}, {"address": "c"}), "$.instances[1].address"),
    "weight 0": (listing({"address": "b:1", "weight": 0}), "$.instances[0].weight"),
    "role": (listing({"address": "b:1", "role": "both"}), "$.instances[0].role"),
    "too much": (
        saying(body=b'{"instances": [' + b" " * registry_room.ANSWER_BYTES + b"]}"),
        "more than 1048576 bytes",
    ),
    "hangs up": (sending(b""), "cannot be asked"),
    "cut short": (sending(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"), "cannot be asked"),
    "no HTTP": (sending(b"hello\r\n\r\n"), "cannot be asked"),
    "empty": (listing(), "knows no instance"),
}


@pytest.mark.parametrize(("answer", "reason"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_last_good_list_stays_when_the_registry_fails(
    run: Run, answer: Answer, reason: str
) -> None:
    """Whatever is wrong, it is said, and asking goes on."""

    async def scenario() -> None:
        async with registry(listing({"address": "a:1"})) as (server, source, lists):
            await until(lambda: lists)
            server.answer = answer
            await until(lambda: source.state.failing_since)
            assert reason in source.state.reason
            asked = len(server.heads)
            await until(lambda: len(server.heads) > asked + 1)
            server.answer = listing({"address": "a:1"}, {"address": "b:1"})
            await until(lambda: not source.state.failing_since)
        assert lists == [{"a:1": 1}, {"a:1": 1, "b:1": 1}]

    run(scenario())


def test_registry_that_cannot_be_reached(run: Run) -> None:
    """Neither there, nor a name, nor an URL."""

    async def cannot_be_asked(url: str) -> None:
        source = client(url)
        async with running(source) as lists:
            await until(lambda: source.state.failing_since, seconds=15)
        assert "cannot be asked" in source.state.reason
        assert lists == []

    async def scenario() -> None:
        for url in (f"http://{await closed_port()}/", "http://no-such-host.invalid/", "shop:80"):
            await cannot_be_asked(url)

    run(scenario())


@pytest.mark.parametrize(
    "answer",
    [sending(b"", then=5), dripping(b"HTTP/1.1 200 OK\r\n\r\n", b" ", 0.02)],
    ids=["hangs", "drips"],
)
def test_registry_that_never_finishes(
    run: Run, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole answer has a limit."""
    monkeypatch.setattr(registry_room, "ANSWER_SECONDS", 0.1)

    async def scenario() -> None:
        async with registry(answer) as (server, source, lists):
            await until(lambda: len(server.heads) > 1)
            assert "gave no whole answer in 0.1 s" in source.state.reason
            assert lists == []

    run(scenario())


def test_emptiness_is_believed_when_it_lasts(run: Run) -> None:
    """A registry that was restarted knows nobody until the next heartbeats."""

    async def scenario() -> None:
        async with registry(listing({"address": "a:1"}), ttl_seconds=0.3) as got:
            server, source, lists = got
            await until(lambda: lists)
            server.answer = listing()
            await until(lambda: source.state.failing_since)
            server.answer = listing({"address": "a:1"})
            await until(lambda: not source.state.failing_since)
            assert lists == [{"a:1": 1}]
            await asyncio.sleep(0.3)

            server.answer = listing()
            began = time.monotonic()
            await until(lambda: len(lists) > 1)
            assert lists[1] == {}
            assert time.monotonic() - began >= 0.25
            assert source.state.failing_since is None

    run(scenario())


def test_instance_that_vanishes_drains(run: Run) -> None:
    """A request under way at it is not cut; it is given back when the request has ended."""

    async def scenario() -> None:
        gone: list[Member] = []
        balancer = Balancer("shop", Upstream(), on_gone=gone.append, rng=RNG)
        answer = listing({"address": "a:1"}, {"address": "b:1"})
        async with answering(answer) as server:
            source = client(f"http://{server.address}/")
            task = asyncio.create_task(
                source.run(lambda found: balancer.update(found, time.monotonic()))
            )
            await until(lambda: balancer.members)
            member = balancer.members[0]
            ticket = balancer.started(member)
            server.answer = listing({"address": "b:1"})
            await until(lambda: member.draining)
            assert gone == []
            assert {balancer.pick(time.monotonic()) for _ in range(20)} == set(balancer.members)
            balancer.finished(member, ticket, time.monotonic(), failed=False)
            assert gone == [member]
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    run(scenario())


# ---------------------------------------------------------------- announcements


def test_announcement_is_read() -> None:
    """What an instance sends to register."""
    body = b'{"address": "10.0.0.7:8000", "weight": 2, "role": "own", "pid": 7}'

    assert read_announcement(body) == Announcement(address="10.0.0.7:8000", weight=2, role="own")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "expected is"),
        (b"[]", "Expected `object`"),
        (b"{}", "address"),
        (b'{"address": "nowhere"}', "$.address"),
        (b'{"address": "a:1", "weight": 101}', "$.weight"),
        (b'{"address": "a:1", "role": "x"}', "$.role"),
        (b'{"address": "a:1", "version": "\xff"}', "utf-8"),
    ],
)
def test_wrong_announcement_is_refused(body: bytes, says: str) -> None:
    """With a sentence that names the place and what is expected."""
    with pytest.raises(ValueError, match="expected is") as caught:
        read_announcement(body)

    assert says in str(caught.value)


ANNOUNCED = st.builds(
    Announcement,
    address=st.sampled_from(["a:1", "b:1", "c:1"]),
    weight=st.none() | st.integers(1, 100),
    capacity=st.none() | st.integers(1, 100),
    role=st.sampled_from([None, "origin", "own"]),
)


@given(st.lists(ANNOUNCED), st.sampled_from([None, "origin", "own"]))
def test_announcements_become_instances(announced: list[Announcement], role: str | None) -> None:
    """Each address once, in order, with the weight that its last announcement of the role says."""
    instances = to_instances(announced, role)

    taken = [one for one in announced if role in (None, one.role)]
    assert [one.address for one in instances] == sorted({one.address for one in taken})
    for instance in instances:
        last = [one for one in taken if one.address == instance.address][-1]
        assert instance.weight == (last.weight or last.capacity or 1)


# ---------------------------------------------------------------- registrations


A, B = Announcement(address="a:1", weight=2), Announcement(address="b:1")


@asynccontextmanager
async def registered(
    registrations: Registrations, **options: Any
) -> AsyncIterator[tuple[Source, Lists]]:
    source = Registered("shop", Registry(**options), registrations, clock=time.monotonic)
    async with running(source) as lists:
        yield source, lists


def test_registered_instances_are_published_at_once(run: Run) -> None:
    """They come, change and go by their own word."""

    async def scenario() -> None:
        registrations = Registrations()
        async with registered(registrations) as (_, lists):
            await until(lambda: lists)
            assert registrations.register("shop", "one", A, time.monotonic())
            await until(lambda: lists[-1] == {"a:1": 2})
            assert registrations.register("shop", "two", B, time.monotonic())
            await until(lambda: lists[-1] == {"a:1": 2, "b:1": 1})
            assert not registrations.register("shop", "one", B, time.monotonic())
            await until(lambda: lists[-1] == {"b:1": 1})
            assert registrations.deregister("shop", "one")
            assert not registrations.deregister("shop", "one")
            assert registrations.deregister("shop", "two")
            await until(lambda: lists[-1] == {})

    run(scenario())


def test_other_upstreams_are_not_disturbed(run: Run) -> None:
    """Registrations are by upstream."""

    async def scenario() -> None:
        registrations = Registrations()
        async with registered(registrations) as (_, lists):
            await until(lambda: lists)
            registrations.register("basket", "one", A, time.monotonic())
            await asyncio.sleep(0.02)
        assert lists == [{}]

    run(scenario())


def test_silent_instance_is_forgotten(run: Run) -> None:
    """After its time to live; one that sends heartbeats stays."""

    async def scenario() -> None:
        registrations = Registrations()
        registrations.register("shop", "silent", A, time.monotonic())
        registrations.register("shop", "alive", B, time.monotonic())
        async with registered(registrations, ttl_seconds=0.2) as (_, lists):
            began = time.monotonic()
            while lists[-1:] != [{"b:1": 1}]:
                assert registrations.heartbeat("shop", "alive", time.monotonic())
                assert time.monotonic() - began < 2
                await asyncio.sleep(0.02)
            assert time.monotonic() - began >= 0.15
            assert not registrations.heartbeat("shop", "silent", time.monotonic())
            await until(lambda: lists[-1] == {})
        assert lists == [{"a:1": 2, "b:1": 1}, {"b:1": 1}, {}]

    run(scenario())


def test_registering_again_is_a_heartbeat() -> None:
    """So that an instance need only repeat one request."""
    registrations = Registrations()
    registrations.register("shop", "one", A, now=0)
    registrations.register("shop", "one", A, now=8)

    assert registrations.expire("shop", ttl=10, now=10) == 18
    assert registrations.expire("shop", ttl=10, now=17.9) == 18
    assert registrations.announced("shop") == [A]
    assert registrations.expire("shop", ttl=10, now=18) is None
    assert registrations.announced("shop") == []


def test_role_is_asked_of_registered_instances_too(run: Run) -> None:
    """As of those of a registry elsewhere."""

    async def scenario() -> None:
        registrations = Registrations()
        own = Announcement(address="own:1", role="own")
        registrations.register("shop", "one", own, time.monotonic())
        registrations.register("shop", "two", A, time.monotonic())
        async with registered(registrations, role="own") as (_, lists):
            await until(lambda: lists)
        assert lists == [{"own:1": 1}]

    run(scenario())


@pytest.mark.parametrize("id", ["", "a/b", "a b", "x" * 129, "ä"])
def test_id_that_is_none_is_refused(id: str) -> None:
    """It stands in a path and in logs."""
    with pytest.raises(ValueError, match="an id has 1 to 128"):
        Registrations().register("shop", id, A, now=0)


def test_no_more_register_than_there_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that makes up ids does not fill the memory; known ones may still register."""
    monkeypatch.setattr(registrations_room, "MOST", 2)
    registrations = Registrations()
    registrations.register("shop", "one", A, now=0)
    registrations.register("shop", "two", B, now=0)

    with pytest.raises(ValueError, match="shop has 2 instances; no more can register"):
        registrations.register("shop", "three", A, now=0)

    assert not registrations.register("shop", "one", B, now=1)


def test_source_that_has_ended_is_not_told_any_more() -> None:
    """A document that names the upstream no longer leaves nothing behind."""

    async def scenario() -> None:
        registrations = Registrations()
        async with registered(registrations) as (_, lists):
            await until(lambda: lists)
        registrations.register("shop", "one", A, time.monotonic())
        await asyncio.sleep(0.01)
        assert lists == [{}]
        assert registrations._listeners == {"shop": []}

    asyncio.run(scenario())


def test_listing_says_who_is_there() -> None:
    """For the admin listener, as plain values."""
    registrations = Registrations()
    registrations.register("shop", "one", A, now=5)

    (one,) = json.loads(json.dumps(registrations.listing("shop", now=7)))

    assert one.items() >= {"id": "one", "silent_seconds": 2, "address": "a:1", "weight": 2}.items()


def test_registrations_survive_a_restart() -> None:
    """All that were known have one time to live to be heard of again."""
    before = Registrations()
    before.register("shop", "one", A, now=5)
    before.register("basket", "two", B, now=6)

    after = Registrations()
    after.restore(before.dump(), now=100)

    assert after.announced("shop") == [A]
    assert after.announced("basket") == [B]
    assert after.expire("shop", ttl=10, now=100) == 110


@pytest.mark.parametrize("dump", [b"", b"[]", b'{"shop": {"one": {}}}', b'{"\xff": {}}'])
def test_dump_that_cannot_be_read_is_refused(dump: bytes) -> None:
    """And nothing of it is taken over."""
    registrations = Registrations()

    with pytest.raises(ValueError, match="stored registrations cannot be read"):
        registrations.restore(dump, now=0)

    assert registrations.announced("shop") == []
