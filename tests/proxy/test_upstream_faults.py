"""Upstreams that misbehave: the client gets one clear answer in time, and the door serves on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import plain
from tests.ports import free_port
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import CLOSE, HALF_CLOSE, HANG, RESET, Got, Origin, ok, origin, talk

DEADLINE = 1.0  # seconds; of the routes below
STEPS = {
    "/fine": [ok(b"fine")],
    "/resets-at-once": [RESET],
    "/closes-at-once": [CLOSE],
    "/hangs": [HANG],
    "/half-closes": [HALF_CLOSE, HANG],
    "/drips-its-head": [b"HTTP/1.1 200 OK\r\n", *([b"X: y\r\n", 0.2] * 20)],
    "/head-too-long": [b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n"],
    "/not-http": [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", CLOSE],
    "/bad-length": [b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", CLOSE],
    "/two-lengths": [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        CLOSE,
    ],
    "/length-and-coding": [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CLOSE,
    ],
    "/unknown-coding": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", CLOSE],
    "/bad-first-chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", CLOSE],
    "/switches-unasked": [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        HANG,
    ],
    "/too-short": [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", CLOSE],
    "/reset-in-the-middle": [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", 0.05, RESET],
    "/cut-chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", CLOSE],
    "/broken-later-chunk": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        0.05,
        b"3\r\nabcd\r\n",
        HANG,
    ],
    "/stops-in-the-body": [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", HANG],
    "/too-long": [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcEVIL", HANG],
    "/early-hints": [b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", ok(b"after hints")],
    "/many-hints": [b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000 + ok(b"after all of them")],
    "/continue-unasked": [b"HTTP/1.1 100 Continue\r\n\r\n", ok(b"after continue")],
    "/until-close": [b"HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nuntil close", CLOSE],
}


def respond(got: Got) -> list[bytes | float | str]:
    """What the path asks for."""
    return STEPS[got.target]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    with origin(respond) as running:
        yield running


@pytest.fixture(scope="module")
def door(upstream: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    document = {
        "upstreams": {
            "bad": {
                "instances": [{"address": upstream.address}],
                "breaker": None,
                "outliers": None,
                "retry_budget": {"share": 1.0, "reserve": 1000},
            },
            "dead": {
                "instances": [{"address": f"127.0.0.1:{free_port()}"}],
                "breaker": None,
                "outliers": None,
            },
            "nameless": {
                "dns": {"name": "no-such-host.invalid", "port": 80, "refresh_seconds": 0.2}
            },
        },
        "routes": [
            {
                "name": name,
                "prefix": prefix,
                "upstream": name,
                "authentication": "none",
                "deadline_seconds": DEADLINE,
            }
            for name, prefix in (("bad", "/"), ("dead", "/dead"), ("nameless", "/nameless"))
        ],
    }
    with front_door(tmp_path_factory.mktemp("door"), document) as running:
        yield running


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    return answer.status_code, body["code"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/resets-at-once", 502, "upstream_lost"),
        ("/closes-at-once", 502, "upstream_lost"),
        ("/half-closes", 502, "upstream_lost"),
        ("/hangs", 504, "upstream_timeout"),
        ("/drips-its-head", 504, "upstream_timeout"),
        ("/head-too-long", 502, "upstream_bad_answer"),
        ("/not-http", 502, "upstream_bad_answer"),
        ("/bad-length", 502, "upstream_bad_answer"),
        ("/two-lengths", 502, "upstream_bad_answer"),
        ("/length-and-coding", 502, "upstream_bad_answer"),
        ("/unknown-coding", 502, "upstream_bad_answer"),
        ("/bad-first-chunk", 502, "upstream_bad_answer"),
        ("/switches-unasked", 502, "upstream_bad_answer"),
        ("/dead", 502, "upstream_unreachable"),
        ("/nameless", 503, "upstream_unavailable"),
    ],
)
def test_client_gets_one_problem_within_its_deadline(
    path: str, status: int, code: str, door: FrontDoor
) -> None:
    """Whatever the upstream does before its answer has begun, the client is told so in time."""
    begun = time.monotonic()
    answer = plain.get(door.url + path, timeout=10)
    assert problem(answer) == (status, code)
    assert time.monotonic() - begun < DEADLINE + 0.5
    if status == 503:
        assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "path",
    [
        "/too-short",
        "/reset-in-the-middle",
        "/cut-chunks",
        "/broken-later-chunk",
        "/stops-in-the-body",
    ],
)
def test_client_sees_that_an_answer_is_not_whole(path: str, door: FrontDoor) -> None:
    """An answer that breaks off is never completed by us: the connection ends in the middle."""
    begun = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        plain.get(door.url + path, timeout=10)
    assert time.monotonic() - begun < DEADLINE + 1.0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/early-hints", b"after hints"),
        ("/many-hints", b"after all of them"),
        ("/continue-unasked", b"after continue"),
        ("/until-close", b"until close"),
    ],
)
def test_unusual_answers_pass(path: str, body: bytes, door: FrontDoor) -> None:
    """Informational answers are skipped, and an answer that ends with its connection is framed."""
    answer = plain.get(door.url + path)
    assert (answer.status_code, answer.content) == (200, body)


def test_bytes_behind_an_answer_reach_nobody(door: FrontDoor, upstream: Origin) -> None:
    """Response smuggling: what an upstream sends too much is dropped with its connection."""
    with plain.client(base_url=door.url) as client:
        assert client.get("/too-long").content == b"abc"
        before = upstream.connections
        assert client.get("/fine").content == b"fine"
    assert upstream.connections > before, "the connection with the extra bytes was used again"


def test_door_serves_after_all_that(door: FrontDoor) -> None:
    """No fault of an upstream stays behind: nothing is in flight, the next request is answered."""
    assert plain.get(door.url + "/fine").content == b"fine"
    shown = plain.get(f"{door.admin_url}/-/upstreams").json()["upstreams"]
    assert shown["bad"]["inflight"] == 0
    assert shown["bad"]["waiting"] == 0


def test_idle_connection_closed_by_the_upstream_costs_nobody_a_request(tmp_path: Path) -> None:
    """A restart closes pooled connections; the next requests are answered all the same."""
    with origin() as upstream:
        document = {
            "upstreams": {"up": {"instances": [{"address": upstream.address}]}},
            "routes": [{"name": "all", "prefix": "/", "upstream": "up", "authentication": "none"}],
        }
        with front_door(tmp_path, document) as door, plain.client(base_url=door.url) as client:
            for _ in range(20):
                assert client.get("/").status_code == 200
                upstream.drop_connections()


def test_post_that_may_have_arrived_is_not_sent_twice(door: FrontDoor, upstream: Origin) -> None:
    """Without an Idempotency-Key a POST is tried once, with one it is tried again."""
    before = len(upstream.got)
    assert plain.post(door.url + "/closes-at-once", content=b"x").status_code == 502
    assert len(upstream.got) == before + 1
    headers = {"Idempotency-Key": "1"}
    assert (
        plain.post(door.url + "/closes-at-once", content=b"x", headers=headers).status_code == 502
    )
    assert [got.body for got in upstream.got[before + 1 :]] == [b"x", b"x"]


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    """Waits for half a second, whatever it waits for."""
    limits = {"head_seconds": 0.5, "body_seconds": 0.5, "idle_seconds": 0.5}
    with origin() as upstream:
        document = {
            "listen": [{"limits": limits}],
            "upstreams": {"up": {"instances": [{"address": upstream.address}]}},
            "routes": [{"name": "all", "prefix": "/", "upstream": "up", "authentication": "none"}],
        }
        with front_door(tmp_path_factory.mktemp("impatient"), document) as running:
            yield running


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /fine HTTP/1.1\r\nHost: a\r\nX-Slow", b"408"),
        (b"POST /fine HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", b"408"),
        (b"POST /fine HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b"408"),
    ],
)
def test_slow_clients_are_shown_out(sent: bytes, status: bytes, impatient: FrontDoor) -> None:
    """Slowloris: a head or a body that does not come in time is answered with 408 and the end."""
    begun = time.monotonic()
    assert talk(impatient.port, sent).startswith(b"HTTP/1.1 " + status)
    assert time.monotonic() - begun < 4


def test_silent_and_idle_connections_are_closed(impatient: FrontDoor) -> None:
    """Who connects and says nothing, or nothing more, is not kept for ever."""
    begun = time.monotonic()
    assert talk(impatient.port, b"", patience=10) == b""
    answer = talk(impatient.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", patience=10)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert time.monotonic() - begun < 6
