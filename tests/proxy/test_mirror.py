"""Copies of requests: which are sent and how, that no client notices, and what is recorded."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from strangler_proxy.mirror.recorded import Pair, read_pairs
from tests.proxy.client import Crowd, ask, crowd, patch
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import CLOSE, HANG, Got, Origin, Step, ok, origin
from tests.proxy.stage import Stage, capability, fenced, instances, nobody, route, stage
from tests.waiting import eventually

TOLERANT: dict[str, Any] = {"breaker": None, "outliers": None}
WEARY = {"minimum": 2, "rest_seconds": 3.0, "probes": 1}
ALL = ["GET", "HEAD", "POST", "PUT"]
JSON = {"Content-Type": "application/json"}


def primary(got: Got) -> bytes | list[Step]:
    """The upstream that clients hear."""
    what = got.target.rsplit("/", 1)[1].partition("?")[0]
    if what == "json":
        return ok(b'{"id":1,"token":"t0p"}', more="Content-Type: application/json\r\nETag: x\r\n")
    if what == "cacheable":
        return ok(b"kept", more="Cache-Control: max-age=60\r\n")
    if what == "cut":
        return [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour", 0.05, CLOSE]
    return [0.002, ok(b"primary")] if what == "steady" else ok(b"primary")


def second(got: Got) -> bytes | list[Step]:
    """The upstream that copies go to."""
    what = got.target.rsplit("/", 1)[1].partition("?")[0]
    if what == "closes":
        return [CLOSE]
    if what == "json":
        return ok(b'{"id":2,"token":"t0p"}', more="Content-Type: application/json\r\n")
    return ok(b"second", status="500 Oops") if what == "oops" else ok(b"second")


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    with origin(primary) as running:
        yield running


@pytest.fixture(scope="module")
def copies() -> Iterator[Origin]:
    with origin(second) as running:
        yield running


@pytest.fixture(scope="module")
def hung() -> Iterator[Origin]:
    """Takes every request and never answers."""
    with origin(lambda got: [HANG]) as running:
        yield running


def mirrored(name: str, upstream: str, more: dict[str, Any] | None = None, **mirror: Any) -> Any:
    """A route with a mirror."""
    given = {"upstream": upstream, "methods": ALL, **mirror}
    return route(name, upstream="up", mirror=given, **(more or {}))


RULES = {
    "request": {"headers": {"set": {"X-Shaped": "in"}}, "body": {"rename": {"a": "b"}}},
    "response": {"headers": {"set": {"X-Shaped": "out"}}, "body": {"rename": {"id": "key"}}},
}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pairs are recorded."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def silent() -> Iterator[int]:
    """A port that takes every connection and reads nothing, without a thread for each."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def dead() -> Iterator[int]:
    """A port where nobody listens."""
    with nobody() as port:
        yield port


@pytest.fixture(scope="module")
def door(
    upstream: Origin,
    copies: Origin,
    hung: Origin,
    silent: int,
    dead: int,
    state: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FrontDoor]:
    document = {
        "state": str(state),
        "upstreams": {
            "up": instances(upstream, **TOLERANT),
            "copies": instances(copies, **TOLERANT),
            "silent": instances(silent, **TOLERANT),
            "hung-narrow": instances(hung, **TOLERANT),
            "weary": instances(hung, breaker=WEARY, outliers=None),
            "dead": instances(dead),
            "gone": instances(dead, **TOLERANT),
        },
        "routes": [
            route("plain", upstream="up"),
            mirrored("all", "copies", deadline_seconds=1.5),
            mirrored("faulty", "copies"),
            mirrored("reads", "copies", methods=["GET"]),
            mirrored("some", "copies", percent=25),
            mirrored("none", "copies", percent=0),
            mirrored("small", "copies", body_bytes=1000),
            mirrored("cached", "copies", {"cache": {}}),
            mirrored("shaped", "copies", RULES, record=True),
            mirrored("recorded", "copies", record=True),
            mirrored("unheard", "gone", record=True),
            mirrored("hung", "silent", concurrent=16, deadline_seconds=0.2),
            mirrored("dead", "dead"),
            mirrored("narrow", "hung-narrow", concurrent=4, deadline_seconds=2.0),
            mirrored("weary", "weary", deadline_seconds=0.5),
        ],
    }
    with front_door(tmp_path_factory.mktemp("door"), document) as running:
        yield running


def count(door: FrontDoor, upstream: str, result: str) -> float:
    return door.metric("ficus_proxy_mirrored_requests_total", upstream=upstream, result=result)


def of(copies: Origin, name: str) -> list[Got]:
    return [got for got in copies.got if got.target.startswith(f"/{name}/")]


def settled(copies: Origin, name: str, number: int) -> list[Got]:
    """So many copies of a route, and no more."""
    eventually(lambda: len(of(copies, name)) >= number, "the copies do not come")
    time.sleep(0.1)
    found = of(copies, name)
    assert len(found) == number
    return found


# ---------------------------------------------------------------- what is sent


def test_copy_is_what_was_sent_to_the_upstream(
    door: FrontDoor, upstream: Origin, copies: Origin
) -> None:
    """Method, target, fields and body are those of the original; it is marked, nothing else."""
    headers = {"X-Own": "1", "Cookie": "a=b; c=d", "Idempotency-Key": "k", "Ficus-Mirror": "forged"}
    sent = (
        *(("GET", None), ("HEAD", None), ("POST", b"")),
        *(("POST", b"whole"), ("PUT", [b"in ", b"pieces"])),
    )
    for number, (method, body) in enumerate(sent, start=1):
        ask(door.port, method, "/all/x?y=%20z", body=body, headers=headers)
        # Copies travel beside each other: only one that has arrived comes before the next.
        made = settled(copies, "all", number)
    originals = of(upstream, "all")
    for one, copy in zip(originals, made, strict=True):
        assert "ficus-mirror" not in one.headers
        assert copy.headers.pop("ficus-mirror") == "1"
        assert (copy.method, copy.target, copy.body) == (one.method, one.target, one.body)
        if one.headers.pop("transfer-encoding", None):
            assert copy.headers.pop("content-length") == "9"
        assert one.headers.pop("ficus-deadline") == "30000"
        assert copy.headers.pop("ficus-deadline") == "1500"
        assert copy.headers == one.headers


def test_only_listed_methods_are_copied(door: FrontDoor, copies: Origin) -> None:
    """And nothing of a route without a mirror."""
    for method in ("GET", "POST", "PUT", "HEAD", "GET"):
        assert ask(door.port, method, "/reads/x").status == 200
        assert ask(door.port, method, "/plain/x").status == 200
    assert [got.method for got in settled(copies, "reads", 2)] == ["GET", "GET"]
    assert of(copies, "plain") == []


def test_percentage_is_a_percentage(door: FrontDoor, copies: Origin) -> None:
    """A quarter of four hundred, give or take; nothing of nothing."""
    with closing(HTTPConnection("127.0.0.1", door.port, timeout=10)) as client:
        for target in ("/some/x", "/none/x"):
            for _ in range(400):
                client.request("GET", target)
                client.getresponse().read()
    time.sleep(0.3)
    # Five standard deviations to each side: it fails by chance once in two million runs.
    assert 100 - 44 < len(of(copies, "some")) < 100 + 44
    assert of(copies, "none") == []


def test_large_bodies_are_not_copied(door: FrontDoor, copies: Origin) -> None:
    """Over ``body_bytes``, announced or not; it is counted."""
    before = count(door, "copies", "too_large")
    ask(door.port, "POST", "/small/x", body=b"x" * 1001)
    ask(door.port, "POST", "/small/x", body=[b"x" * 600] * 200)
    ask(door.port, "POST", "/small/x", body=b"x" * 1000)
    assert [len(got.body) for got in settled(copies, "small", 1)] == [1000]
    assert count(door, "copies", "too_large") == before + 2


def test_what_the_cache_answers_is_not_copied(door: FrontDoor, copies: Origin) -> None:
    """The upstream did not see it either."""
    for _ in range(3):
        assert ask(door.port, "GET", "/cached/cacheable").text == "kept"
    settled(copies, "cached", 1)


def test_client_that_leaves_leaves_no_copy(door: FrontDoor, copies: Origin) -> None:
    """There is no answer to compare with."""
    with socket.create_connection(("127.0.0.1", door.port)) as client:
        client.sendall(b"POST /recorded/left HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        time.sleep(0.1)
    time.sleep(0.2)
    assert [got for got in copies.got if got.target.endswith("/left")] == []


# ---------------------------------------------------------------- nobody notices


@pytest.mark.parametrize("target", ["/faulty/oops", "/faulty/closes", "/dead/x", "/hung/x"])
def test_client_hears_its_own_upstream_only(target: str, door: FrontDoor) -> None:
    """Whatever becomes of the copy."""
    reply = ask(door.port, "POST", target, body=b"x")
    assert (reply.status, reply.text) == (200, "primary")
    assert reply.seconds < 0.5


def test_copies_under_way_are_bounded(door: FrontDoor, hung: Origin) -> None:
    """The others are dropped and counted; after their deadline the hung ones make room."""
    for _ in range(10):
        ask(door.port, "GET", "/narrow/x")
    settled(hung, "narrow", 4)
    assert count(door, "hung-narrow", "dropped") == 6
    eventually(lambda: count(door, "hung-narrow", "failed") == 4)
    ask(door.port, "GET", "/narrow/x")
    settled(hung, "narrow", 5)


def test_no_copy_is_made_while_a_breaker_is_open(door: FrontDoor, hung: Origin) -> None:
    """It is dropped, where it could only fail; so are those beside a probe."""
    for _ in range(2):
        ask(door.port, "GET", "/weary/x")
    eventually(lambda: count(door, "weary", "failed") == 2)
    for _ in range(5):
        ask(door.port, "GET", "/weary/x")
    assert count(door, "weary", "dropped") == 5
    asked = 5

    def probed() -> bool:
        nonlocal asked
        asked += 1
        ask(door.port, "GET", "/weary/x")
        return len(of(hung, "weary")) == 3

    eventually(probed)
    ask(door.port, "GET", "/weary/x")
    eventually(lambda: count(door, "weary", "failed") == 3)
    assert count(door, "weary", "dropped") == asked
    settled(hung, "weary", 3)


@pytest.mark.parametrize("name", ["hung", "dead"])
def test_mirror_that_does_not_answer_delays_nobody(name: str, door: FrontDoor) -> None:
    """Median and p99 of 300 requests with it are within 20 percent of 300 without it.

    The best of some rounds counts: others use this machine too, and they delay both.
    """
    rounds: list[tuple[float, float]] = []
    while not any(median < 1.2 and p99 < 1.2 for median, p99 in rounds):
        assert len(rounds) < 8, rounds
        without, with_it = asked_in_turn(door, "/plain/steady", f"/{name}/steady")
        rounds.append((with_it[49] / without[49], with_it[98] / without[98]))
        print(f"{name}: p99 {without[98] * 1000:.2f} ms without, {with_it[98] * 1000:.2f} ms with")


def asked_in_turn(door: FrontDoor, *targets: str) -> list[list[float]]:
    """Percentiles, in seconds, of 300 requests to each; fifty in a row, as the delay that a copy
    makes would be the next request's."""
    taken: dict[str, list[float]] = {target: [] for target in targets}
    with closing(HTTPConnection("127.0.0.1", door.port, timeout=10)) as client:
        for target in targets * 6:
            for _ in range(50):
                begun = time.perf_counter()
                client.request("GET", target)
                assert client.getresponse().read() == b"primary"
                taken[target].append(time.perf_counter() - begun)
    return [statistics.quantiles(seconds, n=100) for seconds in taken.values()]


# ---------------------------------------------------------------- recorded


def recorded(state: Path, target: str) -> Pair:
    """The pair of a request that was made once."""
    name = target.split("/")[1]

    def found() -> list[Pair]:
        every = read_pairs(state / "pairs", name)
        return [pair for pair in every if pair.request.target.partition("?")[0] == target]

    eventually(found, "no pair is recorded")
    (pair,) = found()
    return pair


def test_pairs_are_recorded_without_secrets(door: FrontDoor, state: Path) -> None:
    """Both answers with what was asked; credentials cannot be read, and still be compared."""
    headers = {**JSON, "Authorization": "Bearer s3cret", "Cookie": "session=s3cret", "X-A": "b"}
    body = b'{"name":"n","password":"s3cret"}'
    ask(door.port, "POST", "/recorded/json?token=s3cret", body=body, headers=headers)
    pair = recorded(state, "/recorded/json")
    assert (pair.route, pair.request.method, pair.epoch) == ("recorded", "POST", 0)
    assert pair.request.target.startswith("/recorded/json?token=hidden:")
    assert (pair.primary.upstream, pair.primary.status, pair.primary.failure) == ("up", 200, None)
    assert (pair.mirrored.upstream, pair.mirrored.status) == ("copies", 200)
    assert pair.primary.body is not None
    assert pair.mirrored.body is not None
    assert str(pair.primary.body.text).startswith('{"id":1,"token":"hidden:')
    assert str(pair.mirrored.body.text).startswith('{"id":2,"token":"hidden:')
    assert pair.primary.body.digest != pair.mirrored.body.digest
    assert ("ETag", "x") in pair.primary.headers
    assert ("X-A", "b") in pair.request.headers
    written = b"".join(path.read_bytes() for path in (state / "pairs").rglob("*.jsonl"))
    assert b"s3cret" not in written
    assert b"t0p" not in written


def test_pair_tells_which_answer_is_not_whole(door: FrontDoor, state: Path) -> None:
    """Of the original and of the copy."""
    with pytest.raises((IncompleteRead, ConnectionResetError)):
        ask(door.port, "GET", "/recorded/cut")
    pair = recorded(state, "/recorded/cut")
    assert (pair.primary.status, pair.primary.failure) == (200, "upstream_lost")
    assert pair.mirrored.failure is None
    ask(door.port, "GET", "/unheard/x")
    pair = recorded(state, "/unheard/x")
    assert (pair.primary.status, pair.primary.failure) == (200, None)
    assert (pair.mirrored.status, pair.mirrored.failure) == (None, "upstream_unreachable")


def test_shaped_requests_are_copied_shaped_and_compared_unshaped(
    door: FrontDoor, copies: Origin, state: Path
) -> None:
    """Both upstreams are asked the same, and both answers are recorded as they came."""
    reply = ask(door.port, "POST", "/shaped/json", body=b'{"a":1}', headers=JSON)
    assert reply.text == '{"key":1,"token":"t0p"}'
    (copy,) = settled(copies, "shaped", 1)
    assert (copy.body, copy.headers["x-shaped"]) == (b'{"b":1}', "in")
    pair = recorded(state, "/shaped/json")
    assert pair.request.body is not None
    assert pair.request.body.text == '{"b":1}'
    for answer, start in ((pair.primary, '{"id":1'), (pair.mirrored, '{"id":2')):
        assert answer.body is not None
        assert str(answer.body.text).startswith(start)
        assert "X-Shaped" not in dict(answer.headers)


# ---------------------------------------------------------------- shadow


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Capabilities whose service may be shown what the monolith answers."""
    mirror = {"upstream": "service", "methods": ["GET", "POST"]}
    capabilities = {
        name: capability(phase="shadow", mirror=mirror) for name in ("shadow", "crossing")
    }
    with stage(tmp_path_factory.mktemp("stage"), capabilities) as running:
        yield running


@pytest.fixture
def people() -> Iterator[Crowd]:
    with crowd() as running:
        yield running


def test_in_shadow_the_service_sees_what_the_monolith_answers(play: Stage) -> None:
    """In the phases shadow and canary, and in no other."""
    for phase, copied in (("monolith", 0), ("shadow", 1), ("canary", 1), ("shadow", 1)):
        copies = len(play.service.got("shadow")) + copied
        patch(play.door, "shadow", phase=phase)
        assert ask(play.port, "POST", "/shadow", body=b"x").text == "monolith"
        wait_for(play, copies)
    time.sleep(0.1)
    assert [got.headers["ficus-mirror"] for got in play.service.got("shadow")] == ["1"] * 3
    patch(play.door, "shadow", phase="extracted")
    assert ask(play.port, "POST", "/shadow", body=b"x").text == "service"
    assert "ficus-mirror" not in play.service.got("shadow")[-1].headers
    assert len(play.service.got("shadow")) == 4


def wait_for(play: Stage, copies: int) -> None:
    """So many have come to the service."""
    eventually(lambda: len(play.service.got("shadow")) == copies)


def test_command_that_crosses_over_leaves_no_copy_at_its_new_side(
    play: Stage, people: Crowd
) -> None:
    """It was sampled in shadow, fenced, and answered by the service: that saw it once."""
    play.monolith.play("crossing", fenced())
    waiting = people.ask(play.port, "POST", "/crossing", body=b"x")
    eventually(lambda: len(play.monolith.got("crossing")) >= 2)
    play.move("crossing")
    assert waiting.result().text == "service"
    time.sleep(0.2)
    assert ["ficus-mirror" in got.headers for got in play.service.got("crossing")] == [False]
