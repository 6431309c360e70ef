"""Commands that wait while the authority of their capability moves: the table says ``held``."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from tests.proxy.client import Crowd, Reply, ask, crowd, patch
from tests.proxy.origin import ok
from tests.proxy.stage import EPOCH, Stage, assert_is_moving, capability, stage
from tests.waiting import eventually

CAPABILITIES: dict[str, dict[str, Any]] = {
    **{name: capability() for name in ("waits", "large", "slow", "left", "right", "crowd")},
    **{name: capability() for name in ("unheard", "gone", "closed", "broken", "socket", "late")},
    "ordered": capability(monolith="narrow"),
    "bounded": capability(hold={"queue": 2}),
    "leaver": capability(hold={"queue": 2}),
    "short": capability(hold={"seconds": 0.4}),
    "patient": capability(hold={"seconds": 0.8}),
    "hurried": capability(hold={"seconds": 5}),
}
ROUTES: dict[str, dict[str, Any]] = {
    "hurried": {"deadline_seconds": 0.4},
    "patient": {"deadline_seconds": 3},
    "large": {"retry": {"body_bytes": 1000}},
    "socket": {"upgrade": ["websocket"]},
}
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """The port of a WebSocket server that sends back what it gets."""

    def handle(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(handle, "127.0.0.1", 0) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever)
        yield server.socket.getsockname()[1]
        server.shutdown()


@pytest.fixture(scope="module")
def play(echo: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage of this file's tests."""

    def change(document: dict[str, Any]) -> None:
        upstreams = document["upstreams"]
        # One at a time, so that what was sent first also arrives first.
        narrow = {"bulkhead": {"concurrent": 1}, "breaker": None}
        upstreams["narrow"] = deepcopy({**upstreams["monolith"], **narrow})
        upstreams["echo"] = {"instances": [{"address": f"127.0.0.1:{echo}"}]}
        document["capabilities"]["socket"]["monolith"] = "echo"
        document["listen"] = [{"limits": {"body_seconds": 0.5}}]

    with stage(tmp_path_factory.mktemp("stage"), CAPABILITIES, ROUTES, change) as running:
        yield running


@pytest.fixture
def people() -> Iterator[Crowd]:
    with crowd() as running:
        yield running


def replies(waiting: list[Future[Reply]]) -> list[int]:
    """Their statuses."""
    return [one.result().status for one in waiting]


def test_commands_wait_and_reads_flow(play: Stage, people: Crowd) -> None:
    """Every method that may change something waits; the others are answered at once."""
    play.hold("waits")
    commands = ("POST", "PUT", "PATCH", "DELETE", "REPORT")
    waiting = [people.ask(play.port, method, "/waits") for method in commands]
    play.wait_until_held("waits", len(commands))
    for method in ("GET", "HEAD", "OPTIONS"):
        assert ask(play.port, method, "/waits").status == 200
    assert {got.method for got in play.monolith.got("waits")} == {"GET", "HEAD", "OPTIONS"}
    assert not any(one.done() for one in waiting)
    patch(play.door, "waits", held=False)
    assert replies(waiting) == [200] * len(commands)
    assert len(play.monolith.got("waits")) == 3 + len(commands)
    assert play.held("waits", "resent") == len(commands)


def test_released_commands_are_sent_in_order_as_they_came(play: Stage, people: Crowd) -> None:
    """Bodies, keys and order are those of the clients, also with tables in between."""
    play.hold("ordered")
    waiting = []
    for number in range(12):
        headers = {"Idempotency-Key": f"key-{number}", "Content-Type": "application/json"}
        body = b'{"number": %d}' % number
        sent = body if number % 2 else [body[:5], body[5:]]
        waiting.append(people.ask(play.port, "POST", "/ordered/x?y=1", body=sent, headers=headers))
        play.wait_until_held("ordered", number + 1)
        if number == 6:
            patch(play.door, "unheard", epoch=EPOCH + 1)
    patch(play.door, "ordered", held=False)
    assert replies(waiting) == [200] * 12
    got = play.monolith.got("ordered")
    assert [one.headers["idempotency-key"] for one in got] == [f"key-{n}" for n in range(12)]
    assert [one.body for one in got] == [b'{"number": %d}' % number for number in range(12)]
    assert {one.target for one in got} == {"/ordered/x?y=1"}
    assert {one.headers["content-type"] for one in got} == {"application/json"}


def test_place_to_wait_is_bounded(play: Stage, people: Crowd) -> None:
    """One more than ``hold.queue`` is told to come back, and nothing is lost of the others."""
    play.hold("bounded")
    waiting = [people.ask(play.port, "POST", "/bounded") for _ in range(2)]
    play.wait_until_held("bounded", 2)
    refused = ask(play.port, "POST", "/bounded")
    assert_is_moving(refused)
    assert refused.seconds < 0.5
    patch(play.door, "bounded", held=False)
    assert replies(waiting) == [200, 200]
    assert play.held("bounded", "refused") == 1


def test_client_that_leaves_makes_room(play: Stage, people: Crowd) -> None:
    """Its place is free at once, its command is never sent, and the log says how long it waited."""
    play.hold("leaver")
    with socket.create_connection(("127.0.0.1", play.port)) as leaver:
        leaver.sendall(b"POST /leaver/gone HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        staying = people.ask(play.port, "POST", "/leaver/stays")
        play.wait_until_held("leaver", 2)
        time.sleep(0.1)
    eventually(
        lambda: '"path":"/leaver/gone"' in play.door.access_log.read_text(), "not in the log"
    )
    line = next(one for one in play.door.access_log.read_text().splitlines() if "er/gone" in one)
    assert '"status":499' in line
    coming = people.ask(play.port, "POST", "/leaver/comes")
    play.wait_until_held("leaver", 3)
    patch(play.door, "leaver", held=False)
    assert (staying.result().status, coming.result().status) == (200, 200)
    assert sorted(got.target for got in play.monolith.got("leaver")) == [
        "/leaver/comes",
        "/leaver/stays",
    ]


def test_waiting_ends_after_so_many_seconds(play: Stage) -> None:
    """``hold.seconds`` over: 503, when to come again, and the command was never sent."""
    play.hold("short")
    reply = ask(play.port, "POST", "/short", body=b"x")
    assert_is_moving(reply)
    assert 0.4 <= reply.seconds < 0.8
    assert play.monolith.got("short") == []
    assert play.held("short", "expired") == 1
    patch(play.door, "short", held=False)
    assert ask(play.port, "POST", "/short", body=b"x").status == 200


def test_time_to_wait_does_not_shorten_the_time_to_answer(play: Stage, people: Crowd) -> None:
    """Once sent, a command has what is left of its route's deadline, and the upstream knows it."""
    play.monolith.play("patient", lambda got: [0.7, ok(b"late")])
    play.hold("patient")
    waiting = people.ask(play.port, "POST", "/patient", body=b"x")
    play.wait_until_held("patient", 1)
    time.sleep(0.5)
    patch(play.door, "patient", held=False)
    assert waiting.result().text == "late"
    (got,) = play.monolith.got("patient")
    assert 1500 < int(got.headers["ficus-deadline"]) < 2500


def test_deadline_of_the_request_is_over_the_wait(play: Stage) -> None:
    """A request that may take less than ``hold.seconds`` waits no longer than that."""
    play.hold("hurried")
    reply = ask(play.port, "POST", "/hurried", body=b"x")
    assert_is_moving(reply)
    assert 0.4 <= reply.seconds < 0.8


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_too_large_to_keep_wait_with_their_client(
    chunked: bool, play: Stage, people: Crowd
) -> None:
    """They are read when they can be sent; longer than a client may usually be silent."""
    body = os.urandom(MEGABYTE)
    before = play.held("large"), len(play.monolith.got("large"))
    pieces = [body[at : at + 50_000] for at in range(0, MEGABYTE, 50_000)]
    play.hold("large")
    waiting = people.ask(play.port, "POST", "/large", body=pieces if chunked else body)
    play.wait_until_held("large", int(before[0]) + 1)
    time.sleep(1.2)
    patch(play.door, "large", held=False)
    assert waiting.result().status == 200
    assert [got.body == body for got in play.monolith.got("large")[before[1] :]] == [True]


def test_body_that_still_comes_is_sent_when_it_is_there(play: Stage, people: Crowd) -> None:
    """A command may be released in the middle of its body."""
    play.hold("slow")

    def pieces() -> Iterator[bytes]:
        yield b"one "
        play.wait_until_held("slow", 1)
        yield b"two "
        patch(play.door, "slow", held=False)
        eventually(lambda: play.held("slow", "resent") == 1)
        yield b"three"

    assert people.ask(play.port, "POST", "/slow", body=pieces()).result().status == 200
    assert [got.body for got in play.monolith.got("slow")] == [b"one two three"]


def test_body_that_breaks_while_waiting_is_refused_and_makes_room(play: Stage) -> None:
    """A chunk that is none ends the wait with 400; release finds nobody."""
    play.hold("broken")
    with socket.create_connection(("127.0.0.1", play.port), timeout=5) as client:
        client.sendall(b"POST /broken HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        play.wait_until_held("broken", 1)
        client.sendall(b"zz\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 400")
    patch(play.door, "broken", held=False)
    assert play.held("broken", "resent") == 0
    assert play.monolith.got("broken") == []


def test_capabilities_wait_for_themselves(play: Stage, people: Crowd) -> None:
    """Holding one does not hold, and releasing one does not release, another."""
    play.hold("left")
    play.hold("right")
    left = people.ask(play.port, "POST", "/left")
    right = people.ask(play.port, "POST", "/right")
    play.wait_until_held("left", 1)
    play.wait_until_held("right", 1)
    assert ask(play.port, "POST", "/unheard").status == 200
    patch(play.door, "left", held=False)
    assert left.result().status == 200
    assert not right.done()
    patch(play.door, "right", held=False)
    assert right.result().status == 200


def test_websocket_is_no_command(play: Stage) -> None:
    """A tunnel opens and carries messages while commands of its capability wait."""
    play.hold("socket")
    with connect(f"ws://127.0.0.1:{play.port}/socket") as client:
        client.send("hello")
        assert client.recv(5) == "hello"
        patch(play.door, "socket", held=False)
        client.send("again")
        assert client.recv(5) == "again"


def test_two_hundred_commands_cross_over_once_each(play: Stage) -> None:
    """Held at the monolith and released by the table that makes the service the authority."""
    with crowd(200) as many:
        play.hold("crowd")
        waiting = [
            many.ask(
                play.port,
                "POST",
                "/crowd",
                body=b"body-%d" % number,
                headers={"Idempotency-Key": str(number)},
            )
            for number in range(200)
        ]
        play.wait_until_held("crowd", 200)
        play.move("crowd")
        answers = [one.result() for one in waiting]
    assert {(one.status, one.text) for one in answers} == {(200, "service")}
    assert play.monolith.got("crowd") == []
    got = play.service.got("crowd")
    assert sorted(int(one.headers["idempotency-key"]) for one in got) == list(range(200))
    assert all(one.body == b"body-" + one.headers["idempotency-key"].encode() for one in got)


def test_commands_whose_route_is_gone_are_told_so(play: Stage, people: Crowd) -> None:
    """A table without their route: 404; one that answers it by itself: that answer."""
    for name in ("gone", "closed", "late"):
        play.hold(name)
    waiting = {
        name: people.ask(play.port, "POST", f"/{name}", body=b"x")
        for name in ("gone", "closed", "late")
    }
    for name in waiting:
        play.wait_until_held(name, 1)
    table = play.door.admin("GET", "/-/table").json()
    routes = {one["name"]: one for one in table["routes"]}
    del routes["gone"]
    closed = {"status": 410, "body": "closed"}
    routes["closed"] = {
        "name": "closed",
        "prefix": "/closed",
        "authentication": "none",
        "answer": closed,
    }
    changed = {**table, "routes": list(routes.values())}
    changed["capabilities"] = {**table["capabilities"], "late": capability(held=False)}
    for name in ("gone", "closed"):
        changed["capabilities"][name] = capability(held=False)
    put = play.door.admin("PUT", "/-/table", json=changed)
    assert put.status_code == 200, put.text
    assert waiting["gone"].result().status == 404
    assert (waiting["closed"].result().status, waiting["closed"].result().text) == (410, "closed")
    assert waiting["late"].result().status == 200
    back = {**table, "revision": changed.get("revision", 0)}
    assert play.door.admin("PUT", "/-/table", json=back).status_code == 200
