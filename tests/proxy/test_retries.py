"""Second attempts: what is repeated, where, how often, and when no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.proxy.client import ask
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import CLOSE, HANG, Got, Origin, Step, ok, origin, talk
from tests.proxy.stage import instances, nobody, route

LIMITLESS: dict[str, Any] = {
    "breaker": None,
    "outliers": None,
    "retry_budget": {"share": 1.0, "reserve": 1000},
}
UNWELL = ok(b"not now", status="503 Unavailable")
FAULTS: dict[str, bytes | list[Step]] = {"closes": [CLOSE], "503": UNWELL}


def respond(got: Got) -> bytes | list[Step]:
    """The first attempt of a request fails as its path says; who asks is in X-User."""
    first = sum(got.headers["x-user"] == one.headers["x-user"] for one in HEARD) == 0
    HEARD.append(got)
    if got.target == "/once/slow-then-hangs":
        return [0.6, CLOSE] if first else [HANG]
    fault = got.target.rsplit("/", 1)[1]
    if fault == "always":
        return UNWELL
    return FAULTS[fault] if first and fault in FAULTS else ok(b"fine")


HEARD: list[Got] = []


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    with origin(respond) as running:
        yield running


@pytest.fixture(scope="module")
def unwell() -> Iterator[Origin]:
    """An instance that never can."""
    with origin(UNWELL) as running:
        yield running


@pytest.fixture(scope="module")
def dead() -> Iterator[int]:
    """A port where nobody listens."""
    with nobody() as port:
        yield port


@pytest.fixture(scope="module")
def door(
    upstream: Origin, unwell: Origin, dead: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FrontDoor]:
    document = {
        "upstreams": {
            "up": instances(upstream, **LIMITLESS),
            "pair": instances(upstream, unwell, **LIMITLESS),
            "half-dead": instances(upstream, dead, **LIMITLESS),
            "poor": instances(
                upstream, **{**LIMITLESS, "retry_budget": {"share": 0.0, "reserve": 3}}
            ),
            "saving": instances(
                upstream, **{**LIMITLESS, "retry_budget": {"share": 0.25, "reserve": 1}}
            ),
        },
        "routes": [
            route("once", upstream="up", deadline_seconds=1.0),
            route("four", upstream="up", retry={"attempts": 4}),
            route("one", upstream="up", retry={"attempts": 1}),
            route("small", upstream="up", retry={"body_bytes": 1000}),
            route("choosy", upstream="up", retry={"statuses": [500]}),
            *[route(name, upstream=name) for name in ("pair", "half-dead", "poor", "saving")],
        ],
    }
    with front_door(tmp_path_factory.mktemp("door"), document) as running:
        yield running


_users = iter(range(10_000))


def by(**more: str) -> dict[str, str]:
    """The headers of somebody who has not asked before."""
    return {"X-User": str(next(_users)), **more}


def heard(headers: dict[str, str]) -> list[Got]:
    return [got for got in HEARD if got.headers["x-user"] == headers["X-User"]]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_idempotent_methods_are_repeated(method: str, fault: str, door: FrontDoor) -> None:
    """The client sees the good answer of the second attempt only."""
    headers = by()
    assert ask(door.port, method, f"/once/{fault}", headers=headers).status == 200
    assert [got.method for got in heard(headers)] == [method, method]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_other_methods_are_repeated_with_a_key_only(
    method: str, fault: str, door: FrontDoor
) -> None:
    """The upstream may have done it already; with an Idempotency-Key that is no harm."""
    headers = by()
    status = 502 if fault == "closes" else 503
    assert ask(door.port, method, f"/once/{fault}", body=b"x", headers=headers).status == status
    assert len(heard(headers)) == 1
    headers = by(**{"Idempotency-Key": "k"})
    pieces = [b"one ", b"two"]
    assert ask(door.port, method, f"/once/{fault}", body=pieces, headers=headers).status == 200
    assert [(got.body, got.headers["idempotency-key"]) for got in heard(headers)] == [
        (b"one two", "k")
    ] * 2


def test_another_instance_is_asked_first(door: FrontDoor, unwell: Origin) -> None:
    """Who met the instance that cannot is served by the other one."""
    before = len(unwell.got)
    for _ in range(40):
        assert ask(door.port, "GET", "/pair/fine", headers=by()).text == "fine"
    met = unwell.got[before:]
    assert 5 < len(met) < 35
    assert len({got.headers["x-user"] for got in met}) == len(met), "one of them was asked twice"


def test_command_that_was_never_sent_is_sent_elsewhere(door: FrontDoor) -> None:
    """A refused connection is no risk for a POST without a key either."""
    for _ in range(12):
        headers = by()
        assert ask(door.port, "POST", "/half-dead/fine", body=b"x", headers=headers).status == 200
        assert len(heard(headers)) == 1


def test_attempts_are_bounded(door: FrontDoor) -> None:
    """``attempts`` counts the first one too; the last answer is the client's."""
    for name, attempts in (("four", 4), ("one", 1), ("once", 2)):
        headers = by()
        reply = ask(door.port, "GET", f"/{name}/always", headers=headers)
        assert (reply.status, reply.text) == (503, "not now")
        assert len(heard(headers)) == attempts


def test_only_the_statuses_of_the_route_are_repeated(door: FrontDoor) -> None:
    """A 503 passes where only 500 is repeated."""
    headers = by()
    assert ask(door.port, "GET", "/choosy/503", headers=headers).status == 503
    assert len(heard(headers)) == 1


def test_budget_bounds_repeating_under_failure(door: FrontDoor) -> None:
    """Ten requests that all fail: three are repeated, and the rest is counted."""
    for _ in range(10):
        assert ask(door.port, "GET", "/poor/always", headers=by()).status == 503
    assert door.metric("ficus_proxy_retries_total", upstream="poor", reason="503") == 3
    assert door.metric("ficus_proxy_retry_budget_exhausted_total", upstream="poor") == 7


def test_budget_grows_with_requests(door: FrontDoor) -> None:
    """With a share of a quarter, one retry is earned by four requests."""
    assert ask(door.port, "GET", "/saving/503", headers=by()).status == 200  # the reserve
    assert ask(door.port, "GET", "/saving/503", headers=by()).status == 503
    for _ in range(4):
        assert ask(door.port, "GET", "/saving/fine", headers=by()).status == 200
    assert ask(door.port, "GET", "/saving/503", headers=by()).status == 200


def test_bodies_too_large_to_keep_are_sent_once(door: FrontDoor) -> None:
    """Over ``retry.body_bytes`` there is nothing left to send again."""
    pieces = [b"x" * 600] * 200
    headers = by()
    assert ask(door.port, "PUT", "/small/closes", body=pieces, headers=headers).status == 502
    assert [len(got.body) for got in heard(headers)] == [120_000]
    headers = by()
    assert ask(door.port, "PUT", "/small/closes", body=b"x" * 900, headers=headers).status == 200
    assert [len(got.body) for got in heard(headers)] == [900, 900]


def test_body_that_came_with_its_head_is_bounded_too(door: FrontDoor) -> None:
    """One segment or many: over ``retry.body_bytes`` it is sent once."""
    for size, attempts in ((900, 2), (5000, 1)):
        headers = by()
        request = (
            f"PUT /small/closes HTTP/1.1\r\nHost: x\r\nX-User: {headers['X-User']}\r\n"
            f"Connection: close\r\nContent-Length: {size}\r\n\r\n"
        ).encode()
        answer = talk(door.port, request + b"x" * size)
        assert answer.startswith(b"HTTP/1.1 200" if attempts == 2 else b"HTTP/1.1 502")
        assert [len(got.body) for got in heard(headers)] == [size] * attempts


def test_deadline_is_over_all_attempts(door: FrontDoor) -> None:
    """The second attempt has what the first has left, and is told so."""
    headers = by()
    reply = ask(door.port, "GET", "/once/slow-then-hangs", headers=headers)
    assert reply.status == 504
    assert 0.95 < reply.seconds < 1.4
    first, second = (int(got.headers["ficus-deadline"]) for got in heard(headers))
    assert first == 1000
    assert 200 < second <= 400


def test_requests_of_a_repeated_request_are_one_trace(door: FrontDoor) -> None:
    """Both attempts carry the same request id and trace."""
    headers = by()
    ask(door.port, "GET", "/once/503", headers=headers)
    one, two = heard(headers)
    assert one.headers["x-request-id"] == two.headers["x-request-id"]
    assert one.headers["traceparent"] == two.headers["traceparent"]
