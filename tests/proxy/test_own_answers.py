"""What the front door answers by itself: readable for browsers, and found again in the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.proxy.client import Reply, ask
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import Origin, ok, origin, talk
from tests.proxy.stage import instances, route

PAGE = "https://shop.example"
ALLOWED = "access-control-allow-origin"


def document(upstream: Origin, **more: Any) -> dict[str, Any]:
    """Routes that are answered in every way."""
    return {
        "upstreams": {"up": instances(upstream)},
        "rate_limits": {"one": {"requests": 1, "seconds": 86_400}},
        "routes": [
            route("up", upstream="up"),
            route("small", upstream="up", request_bytes=10),
            route("shaped", upstream="up", request={"body": {"remove": ["a"]}}),
            route("limited", upstream="up", rate_limits=["one"]),
            route("fixed", answer={"status": 200, "body": "fixed"}),
            route(
                "own",
                answer={
                    "status": 200,
                    "body": "x",
                    "headers": {"Access-Control-Allow-Origin": "*"},
                },
            ),
        ],
        **more,
    }


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    """It allows an origin of its own."""
    answer = ok(b"up", more="Access-Control-Allow-Origin: https://its-own.example\r\n")
    with origin(answer) as running:
        yield running


@pytest.fixture(scope="module")
def door(upstream: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    cors = {"origins": [PAGE, "https://admin.example:8443"], "credentials": True}
    with front_door(tmp_path_factory.mktemp("door"), document(upstream, cors=cors)) as running:
        yield running


def come_from(door: FrontDoor, target: str, page: str = PAGE) -> Reply:
    """A browser's request for a page of that origin."""
    return ask(door.port, "GET", target, headers={"Origin": page})


@pytest.mark.parametrize(("target", "status"), [("/nowhere", 404), ("/fixed", 200)])
def test_page_of_an_allowed_origin_may_read_our_answers(
    target: str, status: int, door: FrontDoor
) -> None:
    """Problems and fixed answers, with the fields that help; caches keep origins apart."""
    for page in (PAGE, "https://admin.example:8443"):
        answer = come_from(door, target, page)
        assert answer.status == status
        assert answer.headers[ALLOWED] == page
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "Origin"
        assert "Retry-After" in answer.headers["access-control-expose-headers"]


def test_page_sees_that_it_asked_too_often(door: FrontDoor) -> None:
    """A 429 is one for the page too, and not a broken network."""
    come_from(door, "/limited")
    answer = come_from(door, "/limited")
    assert answer.status == 429
    assert answer.headers[ALLOWED] == PAGE
    shown = answer.headers["access-control-expose-headers"].split(", ")
    assert {"RateLimit", "Retry-After", "X-Request-Id"} <= set(shown)


@pytest.mark.parametrize(
    "page", ["https://evil.example", "http://shop.example", "null", "https://shop.example.evil"]
)
def test_page_of_another_origin_may_not(page: str, door: FrontDoor) -> None:
    """Nothing is allowed, and a cache must ask again for the next origin."""
    answer = come_from(door, "/nowhere", page)
    assert ALLOWED not in answer.headers
    assert answer.headers["vary"] == "Origin"


def test_answers_of_upstreams_pass_as_they_are(door: FrontDoor) -> None:
    """They say themselves who may read them."""
    answer = come_from(door, "/up")
    assert answer.headers[ALLOWED] == "https://its-own.example"
    assert "vary" not in answer.headers


def test_fixed_answer_that_says_so_itself_is_left_alone(door: FrontDoor) -> None:
    """The field stands there once."""
    raw = talk(door.port, b"GET /own HTTP/1.0\r\nOrigin: https://shop.example\r\n\r\n")
    assert raw.lower().count(b"access-control-allow-origin") == 1


def test_every_page_may_read_where_all_are_allowed(
    upstream: Origin, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The star is said to all, so it does not depend on the origin; it is live."""
    folder = tmp_path_factory.mktemp("star")
    with front_door(folder, document(upstream)) as door:
        assert ALLOWED not in come_from(door, "/nowhere").headers
        table = door.admin("GET", "/-/table").json() | {"cors": {"origins": ["*"]}}
        assert door.admin("PUT", "/-/table", json=table).status_code == 200
        answer = come_from(door, "/nowhere", "https://any.example")
        assert answer.headers[ALLOWED] == "*"
        assert "vary" not in answer.headers


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\nHost: a\n\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"431"),
    ],
)
def test_what_could_not_be_read_has_a_request_id(
    request_: bytes, status: bytes, door: FrontDoor
) -> None:
    """The same in the field and in the problem."""
    head, _, body = talk(door.port, request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    (named,) = [line for line in head.split(b"\r\n") if line.startswith(b"X-Request-Id: ")]
    assert b'"request_id":"%b"' % named.removeprefix(b"X-Request-Id: ") in body


def test_a_body_that_is_too_large_has_one_code(door: FrontDoor) -> None:
    """Whether the route or the rules of its body set the limit."""
    large = b'{"a":"' + b"x" * 300_000 + b'"}'
    headers = {"Content-Type": "application/json"}
    for target in ("/small", "/shaped"):
        answer = ask(door.port, "POST", target, body=large, headers=headers)
        assert (answer.status, b'"code":"too_large"' in answer.body) == (413, True)
