"""Instances that fail, fall ill, have too much to do or are taken away: who is asked instead."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.proxy.client import PATIENCE, ask, crowd, members
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import CLOSE, Got, Origin, Step, ok, origin
from tests.proxy.stage import instances, route
from tests.waiting import eventually

ONCE = {"retry": {"attempts": 1}}
REST = 3.0  # seconds: longer than what is asked meanwhile takes on a busy machine
TOLERANT: dict[str, Any] = {"breaker": None, "outliers": None}


class Instance:
    """An origin that answers with its name while it is well, and fails while it is not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.well = True
        self.ready = True
        self.may_die = threading.Event()
        self.origin: Origin

    def respond(self, got: Got) -> bytes | list[Step]:
        if got.target == "/readyz":
            return ok() if self.ready else ok(status="503 Unready")
        if got.target.endswith("/slow"):
            return [0.5, ok(self.name.encode()) if self.well else CLOSE]
        if got.target.endswith("/dying"):
            self.may_die.wait(PATIENCE)
            return [CLOSE]
        return ok(self.name.encode()) if self.well else [CLOSE]

    def got(self, name: str) -> list[Got]:
        return [got for got in self.origin.got if got.target.startswith(f"/{name}")]


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Instance, Instance]]:
    """Two instances."""
    a, b = Instance("a"), Instance("b")
    with origin(a.respond) as one, origin(b.respond) as two:
        a.origin, b.origin = one, two
        yield a, b


@pytest.fixture
def two(pair: tuple[Instance, Instance]) -> Iterator[tuple[Instance, Instance]]:
    """The same, in good health before and after."""
    yield pair
    for one in pair:
        one.well = one.ready = True
        one.may_die.clear()


@pytest.fixture(scope="module")
def door(
    pair: tuple[Instance, Instance], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FrontDoor]:
    a, b = (one.origin for one in pair)
    careful = {"minimum": 4, "ratio": 0.5, "rest_seconds": 0.6, "probes": 2}
    narrow = {"concurrent": 2, "queue": 2, "queue_seconds": 5}
    checked = {"interval_seconds": 0.4, "timeout_seconds": 0.4, "unhealthy": 2}
    upstreams = {
        "lone": instances(a, breaker=careful, outliers=None),
        "probed": instances(a, breaker=careful, outliers=None),
        "hasty": instances(
            a,
            breaker={"minimum": 4, "rest_seconds": 2, "probes": 1},
            outliers=None,
            bulkhead={"queue": 2, "queue_seconds": 0.6},
        ),
        "stubborn": instances(a, breaker={**careful, "probes": 1}, outliers=None),
        "broken": instances(a, b, breaker={**careful, "rest_seconds": REST}, outliers=None),
        "ejecting": instances(
            a, b, breaker=None, outliers={"consecutive_failures": 3, "eject_seconds": REST}
        ),
        "alone": instances(a, breaker=None, outliers={"consecutive_failures": 2}),
        "narrow": instances(a, **TOLERANT, bulkhead=narrow),
        "left": instances(a, **TOLERANT, bulkhead=narrow),
        "impatient": instances(
            a, **TOLERANT, bulkhead={"concurrent": 1, "queue": 9, "queue_seconds": 0.2}
        ),
        "crowded": instances(
            a,
            breaker={"minimum": 2, "rest_seconds": 60, "probes": 1},
            outliers=None,
            bulkhead={"concurrent": 1, "queue": 600, "queue_seconds": 20},
        ),
        "checked": instances(a, b, **TOLERANT, health=checked),
        "drained": instances(a, b, **TOLERANT),
    }
    document = {
        "upstreams": upstreams,
        "routes": [route(name, upstream=name, **ONCE) for name in upstreams],
    }
    with front_door(tmp_path_factory.mktemp("door"), document) as running:
        yield running


def names(door: FrontDoor, name: str, count: int = 30) -> set[str]:
    """Who answers so many requests."""
    return {ask(door.port, "GET", f"/{name}").text for _ in range(count)}


# ---------------------------------------------------------------- breaker


def test_breaker_opens_probes_and_closes(door: FrontDoor, two: tuple[Instance, Instance]) -> None:
    """While it rests nothing is sent, and the client is told for how long; probes close it."""
    a, _ = two
    a.well = False
    assert [ask(door.port, "GET", "/lone").status for _ in range(4)] == [502] * 4
    before = len(a.got("lone"))
    reply = ask(door.port, "GET", "/lone")
    assert (reply.status, b"upstream_unavailable" in reply.body) == (503, True)
    assert reply.headers["retry-after"] == "1"
    assert breaker(door, "lone", a) == "open"
    assert len(a.got("lone")) == before
    eventually(lambda: breaker(door, "lone", a) == "half_open")
    assert ask(door.port, "GET", "/lone").status == 502  # the probe fails: open again
    assert ask(door.port, "GET", "/lone").status == 503
    assert len(a.got("lone")) == before + 1
    a.well = True
    eventually(lambda: breaker(door, "lone", a) == "half_open")
    assert [ask(door.port, "GET", "/lone").status for _ in range(2)] == [200, 200]
    assert breaker(door, "lone", a) == "closed"


def breaker(door: FrontDoor, upstream: str, instance: Instance) -> object:
    return members(door, upstream)[instance.origin.address]["breaker"]


def half_open(door: FrontDoor, upstream: str, instance: Instance) -> None:
    """The instance fails until its breaker opens, and has rested when this is over."""
    instance.well = False
    eventually(lambda: ask(door.port, "GET", f"/{upstream}").status == 503)
    eventually(lambda: breaker(door, upstream, instance) == "half_open")


def test_crowd_before_a_half_open_breaker_waits_for_the_probes(
    door: FrontDoor, two: tuple[Instance, Instance]
) -> None:
    """As many as ``probes`` are sent; they go well, and then all others are."""
    a, _ = two
    half_open(door, "probed", a)
    a.well = True
    before = len(a.got("probed"))
    with crowd(10) as people:
        replies = [people.ask(door.port, "GET", "/probed/slow") for _ in range(10)]
        eventually(lambda: waiting(door, "probed") == (2, 8))
        assert len(a.got("probed")) - before == 2
        assert [one.result().status for one in replies] == [200] * 10
    assert breaker(door, "probed", a) == "closed"
    assert waiting(door, "probed") == (0, 0)


def test_crowd_is_told_when_a_probe_fails(door: FrontDoor, two: tuple[Instance, Instance]) -> None:
    """The breaker is open again: who has waited is told at once, and nothing more is sent."""
    a, _ = two
    half_open(door, "probed", a)
    before = len(a.got("probed"))
    with crowd(10) as people:
        replies = [people.ask(door.port, "GET", "/probed/slow") for _ in range(10)]
        answers = sorted((one.result() for one in replies), key=lambda one: one.status)
    assert [one.status for one in answers] == [502] * 2 + [503] * 8
    assert {int(one.headers["retry-after"]) >= 1 for one in answers[2:]} == {True}
    assert all(b'"code":"upstream_unavailable"' in one.body for one in answers[2:])
    assert len(a.got("probed")) - before == 2
    assert waiting(door, "probed") == (0, 0)


def test_who_waits_for_a_probe_that_hangs_tries_in_its_place(
    door: FrontDoor, two: tuple[Instance, Instance]
) -> None:
    """When it has hung as long as the breaker rests."""
    a, _ = two
    half_open(door, "stubborn", a)
    a.well = True
    with crowd(6) as people:
        probe = people.ask(door.port, "GET", "/stubborn/dying")
        eventually(lambda: waiting(door, "stubborn") == (1, 0))
        replies = [people.ask(door.port, "GET", "/stubborn") for _ in range(5)]
        assert [one.result().status for one in replies] == [200] * 5
        a.may_die.set()
        assert probe.result().status == 502
    assert breaker(door, "stubborn", a) == "closed"


def test_waiting_for_probes_is_bounded_as_for_a_turn(
    door: FrontDoor, two: tuple[Instance, Instance]
) -> None:
    """Whoever finds the queue full is told at once, the others after ``queue_seconds``."""
    a, _ = two
    half_open(door, "hasty", a)
    a.well = True
    with crowd(6) as people:
        probe = people.ask(door.port, "GET", "/hasty/dying")  # it hangs until it may die
        eventually(lambda: waiting(door, "hasty") == (1, 0))
        replies = [people.ask(door.port, "GET", "/hasty") for _ in range(4)]
        answers = sorted((one.result() for one in replies), key=lambda one: one.seconds)
        a.may_die.set()
        assert probe.result().status == 502
    assert [one.status for one in answers] == [503] * 4
    assert all(b'"code":"upstream_unavailable"' in one.body for one in answers)
    assert [one.seconds > 0.5 for one in answers] == [False, False, True, True]


def test_breaker_is_the_instances_own(door: FrontDoor, two: tuple[Instance, Instance]) -> None:
    """The other one answers all, and after the rest both answer again."""
    a, _ = two
    a.well = False
    eventually(lambda: ask(door.port, "GET", "/broken").status == 502 and opened(door, a))
    assert names(door, "broken") == {"b"}
    a.well = True
    eventually(lambda: names(door, "broken") == {"a", "b"})


def opened(door: FrontDoor, instance: Instance) -> bool:
    """Whether its breaker opens after some more failures."""
    for _ in range(12):
        ask(door.port, "GET", "/broken")
    return breaker(door, "broken", instance) == "open"


# ---------------------------------------------------------------- outliers


def test_outlier_is_ejected_and_comes_back(door: FrontDoor, two: tuple[Instance, Instance]) -> None:
    """After so many failures in a row it gets nothing for a while."""
    a, _ = two
    a.well = False
    failed = 0
    while not members(door, "ejecting")[a.origin.address]["ejected_seconds"]:
        failed += ask(door.port, "GET", "/ejecting").status == 502
        assert failed <= 3
    assert failed == 3
    before = len(a.got("ejecting"))
    assert names(door, "ejecting", 20) == {"b"}
    assert len(a.got("ejecting")) == before
    a.well = True
    eventually(lambda: names(door, "ejecting") == {"a", "b"})


def test_lone_instance_is_never_ejected(door: FrontDoor, two: tuple[Instance, Instance]) -> None:
    """Ejecting the last one would be an outage of our own making."""
    a, _ = two
    a.well = False
    for _ in range(6):
        assert ask(door.port, "GET", "/alone").status == 502
    assert members(door, "alone")[a.origin.address]["ejected_seconds"] == 0
    a.well = True
    assert ask(door.port, "GET", "/alone").status == 200


# ---------------------------------------------------------------- bulkhead


def test_bulkhead_bounds_work_and_waiting(door: FrontDoor, two: tuple[Instance, Instance]) -> None:
    """Two are worked on, two wait, the others are told at once; those who waited are answered."""
    a, _ = two
    most = _watch_most(door, "narrow")
    with crowd(6) as people:
        replies = [people.ask(door.port, "GET", "/narrow/slow") for _ in range(6)]
        answers = sorted((one.result() for one in replies), key=lambda one: one.status)
    assert most() == 2
    assert [one.status for one in answers] == [200] * 4 + [503] * 2
    for refused in answers[4:]:
        assert b'"code":"upstream_overloaded"' in refused.body
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.seconds < 0.3
    assert len(a.got("narrow")) == 4
    assert 0.9 < max(one.seconds for one in answers[:4]) < 1.6


def _watch_most(door: FrontDoor, upstream: str) -> Any:
    """Begins to look how many are worked on; the answer is called for the most seen."""
    seen: list[int] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            shown = members(door, upstream)
            seen.append(sum(int(str(one["inflight"])) for one in shown.values()))

    thread = threading.Thread(target=look)
    thread.start()

    def most() -> int:
        stop.set()
        thread.join()
        return max(seen)

    return most


def test_waiting_for_a_turn_is_bounded_in_time(
    door: FrontDoor, two: tuple[Instance, Instance]
) -> None:
    """After ``queue_seconds`` without a turn: 503, and nothing was sent."""
    a, _ = two
    with crowd(3) as people:
        first = people.ask(door.port, "GET", "/impatient/slow")
        eventually(lambda: a.got("impatient"))
        second = people.ask(door.port, "GET", "/impatient/slow")
        third = people.ask(door.port, "GET", "/impatient/slow")
        # Looked at twice a second; the first may be answered before, then the second gets its turn.
        statuses = [one.result().status for one in (first, second, third)]
    assert statuses[0] == 200
    assert 503 in statuses
    assert len(a.got("impatient")) == statuses.count(200)


def test_those_who_leave_the_queue_make_room(
    door: FrontDoor, two: tuple[Instance, Instance]
) -> None:
    """Whoever does not wait any more takes nobody's place."""
    with crowd(4) as people:
        working = [people.ask(door.port, "GET", "/left/slow") for _ in range(2)]
        eventually(lambda: waiting(door, "left") == (2, 0))
        for _ in range(3):
            leavers = [socket.create_connection(("127.0.0.1", door.port)) for _ in range(2)]
            for leaver in leavers:
                leaver.sendall(b"GET /left/left HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.03)
            for leaver in leavers:
                leaver.close()
            time.sleep(0.03)
        late = people.ask(door.port, "GET", "/left/late")
        assert late.result().status == 200
        assert [one.result().status for one in working] == [200, 200]


def waiting(door: FrontDoor, upstream: str) -> tuple[int, int]:
    shown = door.admin("GET", "/-/upstreams").json()["upstreams"][upstream]
    return shown["inflight"], shown["waiting"]


def test_crowd_in_the_queue_is_answered_when_the_instance_goes(
    door: FrontDoor, two: tuple[Instance, Instance]
) -> None:
    """Hundreds wait when the breaker opens: each of them is told, at once."""
    with crowd(400) as people:
        replies = [people.ask(door.port, "GET", "/crowded/dying") for _ in range(400)]
        eventually(lambda: waiting(door, "crowded") == (1, 399))
        begun = time.monotonic()
        two[0].may_die.set()
        statuses = [one.result().status for one in replies]
    assert statuses.count(502) == 2, "these opened the breaker"
    assert statuses.count(503) == 398
    assert time.monotonic() - begun < 4
    assert waiting(door, "crowded") == (0, 0)


# ---------------------------------------------------------------- health and drain


def test_instance_that_is_not_ready_gets_nothing(
    door: FrontDoor, two: tuple[Instance, Instance]
) -> None:
    """From the checks' verdict on until they find it well again."""
    a, _ = two
    eventually(lambda: all_are(door, healthy=True))
    assert names(door, "checked") == {"a", "b"}
    a.ready = False
    eventually(lambda: not members(door, "checked")[a.origin.address]["healthy"])
    before = len(a.got("checked"))
    assert names(door, "checked", 40) == {"b"}
    assert len(a.got("checked")) == before
    a.ready = True
    eventually(lambda: members(door, "checked")[a.origin.address]["healthy"])
    assert names(door, "checked") == {"a", "b"}


def test_when_no_instance_is_ready_all_are_asked(
    door: FrontDoor, two: tuple[Instance, Instance]
) -> None:
    """Checks that fail everywhere say more of the checks than of the instances."""
    for one in two:
        one.ready = False
    eventually(lambda: all_are(door, healthy=False))
    assert names(door, "checked") == {"a", "b"}


def all_are(door: FrontDoor, *, healthy: bool) -> bool:
    """Whether the checks find them so."""
    found = members(door, "checked").values()
    return all(one["checked"] and one["healthy"] is healthy for one in found)


def test_drained_instance_finishes_and_gets_nothing_new(
    door: FrontDoor, two: tuple[Instance, Instance]
) -> None:
    """By the admin API, until it is taken back; its connections are closed."""
    a, _ = two
    at = f"/-/upstreams/drained/instances/{a.origin.address}"
    names(door, "drained")
    with crowd(8) as people:
        under_way = [people.ask(door.port, "GET", "/drained/slow") for _ in range(8)]
        eventually(lambda: len([g for g in a.got("drained") if g.target.endswith("slow")]) > 1)
        time.sleep(0.1)
        assert door.admin("POST", f"{at}/drain").status_code == 204
        before = len(a.got("drained"))
        assert names(door, "drained", 20) == {"b"}
        answers = {one.result().text for one in under_way}
    assert answers == {"a", "b"}
    assert len(a.got("drained")) == before
    eventually(lambda: a.origin.address not in members(door, "drained"))
    assert door.admin("POST", f"{at}/undrain").status_code == 204
    assert names(door, "drained") == {"a", "b"}
