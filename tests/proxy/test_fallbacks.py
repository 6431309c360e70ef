"""What a client gets instead of an error, where its route says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.proxy.client import Reply, ask
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import CLOSE, HANG, Got, Origin, Step, ok, origin
from tests.proxy.stage import instances, nobody, route

TOLERANT: dict[str, Any] = {"breaker": None, "outliers": None}
SORRY = {"status": 200, "headers": {"X-Degraded": "yes"}, "body": '{"items": []}'}
ONCE = {"retry": {"attempts": 1}}
UNAVAILABLE = b"HTTP/1.1 503 Unavailable\r\nContent-Length: 8\r\n\r\n"


def respond(got: Got, *, first: bool) -> bytes | list[Step]:
    """What the end of the path says; /changing is good once and bad from then on."""
    what = got.target.rsplit("/", 1)[1]
    if what == "hangs":
        return [HANG]
    if what == "closes":
        return [CLOSE]
    if what == "slow-503":  # its body comes late
        return [UNAVAILABLE, 0.2, b"sorry", 0.1, b"!!!"]
    if what.isdigit():
        return ok(b"as it is", status=f"{what} X")
    if what == "changing":
        return good(got) if first else ok(b"bad", status="503 X")
    return ok(b"fine")


def good(got: Got) -> bytes:
    fresh = "max-age=0, stale-if-error=60" if "lenient" in got.target else "max-age=0"
    return ok(b"good", more=f'Cache-Control: {fresh}\r\nETag: "1"\r\n')


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    seen: set[str] = set()

    def answer(got: Got) -> bytes | list[Step]:
        first = got.target not in seen
        seen.add(got.target)
        return respond(got, first=first)

    with origin(answer) as running:
        yield running


@pytest.fixture(scope="module")
def spare() -> Iterator[Origin]:
    """Answers what the other one cannot, and says that it may be kept."""

    def answer(got: Got) -> bytes | list[Step]:
        if "bad-spare" in got.target:
            return [CLOSE]
        return ok(b"spare", more="Cache-Control: max-age=60\r\n")

    with origin(answer) as running:
        yield running


@pytest.fixture(scope="module")
def dead() -> Iterator[int]:
    """A port where nobody listens."""
    with nobody() as port:
        yield port


@pytest.fixture(scope="module")
def door(
    upstream: Origin, spare: Origin, dead: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FrontDoor]:
    document = {
        "upstreams": {
            "up": instances(upstream, **TOLERANT),
            "spare": instances(spare, **TOLERANT),
            "dead": instances(dead, **TOLERANT),
        },
        "routes": [
            route(
                "answer", upstream="up", fallback={"answer": SORRY}, deadline_seconds=0.5, **ONCE
            ),
            route("dead-answer", upstream="dead", fallback={"answer": SORRY}, **ONCE),
            route("some", upstream="up", fallback={"answer": SORRY, "statuses": [500]}, **ONCE),
            route(
                "spare", upstream="up", fallback={"upstream": "spare"}, deadline_seconds=0.5, **ONCE
            ),
            route("bad-spare", upstream="dead", fallback={"upstream": "spare"}),
            route(
                "bad-spare-500",
                upstream="up",
                fallback={"upstream": "spare", "statuses": [500]},
                retry={"attempts": 4},
            ),
            route("kept-spare", upstream="up", fallback={"upstream": "spare"}, cache={}, **ONCE),
            route("stale", upstream="up", fallback={"stale": True}, cache={}, **ONCE),
            route("lenient", upstream="up", fallback={"answer": SORRY}, cache={}, **ONCE),
        ],
    }
    with front_door(tmp_path_factory.mktemp("door"), document) as running:
        yield running


def is_sorry(reply: Reply) -> bool:
    said = (reply.status, reply.headers.get("x-degraded"), reply.text)
    return said == (200, "yes", SORRY["body"])


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/dead-answer"),
        ("POST", "/dead-answer"),
        ("GET", "/answer/closes"),
        ("POST", "/answer/503"),
        ("GET", "/answer/502"),
        ("GET", "/answer/slow-503"),
        ("GET", "/some/500"),
    ],
)
def test_fixed_answer_stands_in(method: str, target: str, door: FrontDoor) -> None:
    """For statuses of ours and of the upstream, whatever the method: nothing is sent again."""
    assert is_sorry(ask(door.port, method, target))


def test_fixed_answer_stands_in_when_time_is_up(door: FrontDoor) -> None:
    """A 504 of ours counts as one."""
    reply = ask(door.port, "GET", "/answer/hangs")
    assert is_sorry(reply)
    assert 0.45 < reply.seconds < 0.9


@pytest.mark.parametrize("target", ["/some/503", "/some/404", "/answer/500"])
def test_other_statuses_pass(target: str, door: FrontDoor) -> None:
    """Only the listed ones are replaced."""
    reply = ask(door.port, "GET", target)
    assert (str(reply.status), reply.text) == (target.rsplit("/", 1)[1], "as it is")


def test_another_upstream_stands_in_for_idempotent_requests_only(
    door: FrontDoor, upstream: Origin, spare: Origin
) -> None:
    """A command may have been done; and the other upstream does not know its key."""
    assert ask(door.port, "GET", "/spare/503").text == "spare"
    assert ask(door.port, "PUT", "/spare/closes", body=b"x").text == "spare"
    assert spare.got[-1].body == b"x"
    before = len(spare.got)
    for headers in ({}, {"Idempotency-Key": "k"}):
        assert ask(door.port, "POST", "/spare/503", headers=headers).status == 503
        assert ask(door.port, "POST", "/spare/closes", headers=headers).status == 502
    assert len(spare.got) == before


def test_another_upstream_is_asked_once(door: FrontDoor, spare: Origin) -> None:
    """If it cannot either, that is the end."""
    before = len(spare.got)
    for number, target in enumerate(("/bad-spare", "/bad-spare-500/500"), 1):
        reply = ask(door.port, "GET", target)
        assert (reply.status, b"upstream_lost" in reply.body) == (502, True)
        assert len(spare.got) == before + number


def test_another_upstream_is_not_asked_when_time_is_up(door: FrontDoor, spare: Origin) -> None:
    """The deadline is for all together."""
    before = len(spare.got)
    reply = ask(door.port, "GET", "/spare/hangs")
    assert reply.status == 504
    assert 0.45 < reply.seconds < 0.9
    assert len(spare.got) == before


def test_what_stands_in_is_not_kept_for_the_route(door: FrontDoor, spare: Origin) -> None:
    """Its freshness is not that of the route's own upstream."""
    before = len(spare.got)
    for _ in range(2):
        assert ask(door.port, "GET", "/kept-spare/503").text == "spare"
    assert len(spare.got) == before + 2


def test_stale_answer_stands_in_whatever_its_age(door: FrontDoor) -> None:
    """What the cache has left, if it has something."""
    assert ask(door.port, "GET", "/stale/changing").text == "good"
    reply = ask(door.port, "GET", "/stale/changing")
    assert (reply.status, reply.text) == (200, "good")


@pytest.mark.parametrize("what", ["503", "slow-503"])
def test_without_anything_stale_the_answer_passes_whole(what: str, door: FrontDoor) -> None:
    """Also one whose body is still on its way."""
    reply = ask(door.port, "GET", f"/stale/{what}")
    assert (reply.status, reply.text) == (503, "as it is" if what == "503" else "sorry!!!")


def test_what_may_be_stale_comes_before_the_fixed_answer(door: FrontDoor) -> None:
    """stale-if-error is the better of the two."""
    assert ask(door.port, "GET", "/lenient/changing").text == "good"
    reply = ask(door.port, "GET", "/lenient/changing")
    assert (reply.status, reply.text) == (200, "good")
    assert is_sorry(ask(door.port, "GET", "/lenient/503"))


def test_what_stood_in_is_counted(door: FrontDoor) -> None:
    """By route and kind."""

    def count(name: str, kind: str) -> float:
        return door.metric("ficus_proxy_fallbacks_total", route=name, kind=kind)

    before = count("dead-answer", "answer"), count("spare", "upstream")
    ask(door.port, "GET", "/dead-answer")
    ask(door.port, "GET", "/spare/503")
    assert (count("dead-answer", "answer"), count("spare", "upstream")) == (
        before[0] + 1,
        before[1] + 1,
    )
