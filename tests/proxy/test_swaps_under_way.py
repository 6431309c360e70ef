"""Requests under way when the table changes: they end by the table they began with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.proxy.client import Crowd, ask, crowd
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import CLOSE, Got, Origin, Step, ok, origin
from tests.proxy.stage import instances, route
from tests.waiting import eventually

TOLERANT: dict[str, Any] = {"breaker": None, "outliers": None}


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go = False
        self.fails = False
        self.origin: Origin

    def begin(self) -> None:
        """Wait again; nothing has come yet."""
        self.go, self.fails = False, True
        self.origin.got.clear()

    def respond(self, got: Got) -> bytes | Iterator[Step]:
        if got.target.endswith("/now"):
            return ok(got.body or b"now")
        return self.answer(got.target.rsplit("/", 1)[1])

    def answer(self, what: str) -> Iterator[Step]:
        if what == "streams":
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nfour"
        while not self.go:
            yield 0.02
        if what == "streams":
            yield b"more"
        elif what == "fails-once" and self.fails:
            self.fails = False
            yield CLOSE
        else:
            yield ok(b"as begun", more="Cache-Control: no-store\r\n")


@pytest.fixture(scope="module")
def slow() -> Iterator[Slow]:
    one = Slow()
    with origin(one.respond) as running:
        one.origin = running
        yield one
        one.go = True


@pytest.fixture(scope="module")
def running(slow: Slow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    narrow = {"bulkhead": {"concurrent": 1, "queue_seconds": 20}, "breaker": None}
    rules = {"request": {"body": {"rename": {"a": "b"}}}}
    document = {
        "upstreams": {
            "up": instances(slow.origin, **TOLERANT),
            "narrow": instances(slow.origin, **narrow),
        },
        "routes": [
            route("plain", upstream="up", deadline_seconds=20),
            route("narrow", upstream="narrow", deadline_seconds=20),
            route("cached", upstream="up", cache={"collapse_seconds": 20}, deadline_seconds=20),
            route("shaped", upstream="up", **rules),
        ],
    }
    with front_door(tmp_path_factory.mktemp("door"), document) as one:
        yield one


@pytest.fixture
def old(slow: Slow) -> Slow:
    """The upstream of the first table."""
    slow.begin()
    return slow


@pytest.fixture
def door(running: FrontDoor) -> Iterator[FrontDoor]:
    """By the first table; afterwards too."""
    first = running.admin("GET", "/-/table").json()
    yield running
    answer = running.admin("PUT", "/-/table", json=first)
    assert answer.status_code == 200, answer.text


@pytest.fixture
def people() -> Iterator[Crowd]:
    with crowd() as running:
        yield running


@pytest.fixture
def new() -> Iterator[Origin]:
    """The upstream of the second table."""
    with origin(ok(b"new")) as running:
        yield running


def swap(door: FrontDoor, new: Origin, how: str) -> None:
    """Put the second table in force: without the routes and upstreams of the first, or with
    others of the same names, or with the same upstreams reached in another way."""
    table = door.admin("GET", "/-/table").json()
    names = [one["name"] for one in table["routes"]]
    if how == "removed":
        table |= {"upstreams": {"other": instances(new)}, "routes": [route("x", upstream="other")]}
    elif how == "replaced":
        table["upstreams"] = {"other": instances(new)}
        table["routes"] = [route(name, upstream="other") for name in names]
    else:
        for one in table["upstreams"].values():
            one["connections"] = {"idle_seconds": 19.0}
    answer = door.admin("PUT", "/-/table", json=table)
    assert answer.status_code == 200, answer.text


def waiting_at(door: FrontDoor, upstream: str) -> int:
    """How many wait in the queue of its bulkhead."""
    shown = door.admin("GET", "/-/upstreams").json()["upstreams"][upstream]
    return int(shown["waiting"])


HOW = pytest.mark.parametrize("how", ["removed", "replaced", "reached otherwise"])


@HOW
def test_answers_that_stream_are_finished(
    how: str, door: FrontDoor, old: Slow, new: Origin, people: Crowd
) -> None:
    """Not a byte is missing, while others go by the new table already."""
    waiting = people.ask(door.port, "GET", "/plain/streams")
    eventually(lambda: old.origin.got)
    swap(door, new, how)
    expected = {"removed": 404, "replaced": 200, "reached otherwise": 200}[how]
    reply = ask(door.port, "GET", "/plain/now")
    assert (reply.status, reply.text == "new") == (expected, how == "replaced")
    old.go = True
    assert waiting.result().text == "fourmore"


def test_connections_of_what_is_gone_are_closed(
    door: FrontDoor, old: Slow, new: Origin, people: Crowd
) -> None:
    """Those that were idle, and that of an answer which was under way when it is whole."""
    waiting = [people.ask(door.port, "GET", "/plain/streams") for _ in range(2)]
    eventually(lambda: len(old.origin.got) == 2)
    ask(door.port, "GET", "/plain/now")
    assert old.origin.open >= 3
    swap(door, new, "removed")
    time.sleep(0.5)
    assert old.origin.open >= 2
    old.go = True
    assert {one.result().text for one in waiting} == {"fourmore"}
    eventually(lambda: old.origin.open == 0, "a connection stays open")


@HOW
def test_those_who_wait_for_their_turn_get_it(
    how: str, door: FrontDoor, old: Slow, new: Origin, people: Crowd
) -> None:
    """In the queue of a bulkhead that the new table does not have."""
    waiting = [people.ask(door.port, "POST", "/narrow/x", body=b"%d" % n) for n in range(5)]
    eventually(lambda: waiting_at(door, "narrow") == 4)
    swap(door, new, how)
    old.go = True
    assert {(one.result().status, one.result().text) for one in waiting} == {(200, "as begun")}
    assert len(old.origin.got) == 5


@HOW
def test_second_attempts_are_made(
    how: str, door: FrontDoor, old: Slow, new: Origin, people: Crowd
) -> None:
    """Where the first one was."""
    waiting = people.ask(door.port, "GET", "/plain/fails-once")
    eventually(lambda: old.origin.got)
    swap(door, new, how)
    old.go = True
    assert waiting.result().text == "as begun"
    assert len(old.origin.got) == 2


@HOW
def test_those_who_wait_for_the_same_answer_ask_for_themselves(
    how: str, door: FrontDoor, old: Slow, new: Origin, people: Crowd
) -> None:
    """It turns out not to be for all."""
    waiting = [people.ask(door.port, "GET", f"/cached/{how.replace(' ', '-')}") for _ in range(4)]
    eventually(lambda: old.origin.got)
    time.sleep(0.2)
    assert len(old.origin.got) == 1
    swap(door, new, how)
    old.go = True
    assert {(one.result().status, one.result().text) for one in waiting} == {(200, "as begun")}


@HOW
def test_bodies_that_still_come_are_shaped_and_sent(
    how: str, door: FrontDoor, old: Slow, new: Origin, people: Crowd
) -> None:
    """By the rules, and to the upstream, of the table in which their head was read."""

    def pieces() -> Iterator[bytes]:
        yield b'{"a":'
        time.sleep(0.2)
        swap(door, new, how)
        time.sleep(0.1)
        yield b"1}"

    json = {"Content-Type": "application/json"}
    reply = people.ask(door.port, "POST", "/shaped/now", body=pieces(), headers=json).result()
    assert (reply.status, reply.text) == (200, '{"b":1}')
