"""The cache at work in the real front door, before an origin that counts what reaches it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from socket import create_connection
from typing import Any

import httpx
import pytest

from tests import plain
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import CLOSE, Got, Origin, Step, ok, origin

ROUTES: list[dict[str, Any]] = [
    {"name": "catalogue", "prefix": "/", "methods": ["GET", "HEAD"]},
    {"name": "commands", "prefix": "/", "cache": None},
    {
        "name": "shaped",
        "prefix": "/shaped",
        "request": {"headers": {"rename": {"X-Old": "X-New"}}},
        "response": {"headers": {"set": {"X-Shaped": "yes"}}},
    },
    {"name": "lenient", "prefix": "/lenient", "fallback": {"statuses": [502], "stale": True}},
]


def _document(address: str) -> dict[str, Any]:
    """The routes above, with what they have in common."""
    common = {
        "authentication": "none",
        "upstream": "origin",
        "retry": {"attempts": 1},
        "cache": {"status_header": True, "collapse_seconds": 2},
    }
    origin = {"instances": [{"address": address}], "breaker": None, "outliers": None}
    return {
        "upstreams": {"origin": origin},
        "routes": [deepcopy({**common, **route}) for route in ROUTES],
    }


def _cacheable(body: bytes, control: str = "max-age=60", more: str = "") -> bytes:
    return ok(body, more=f"Cache-Control: {control}\r\n{more}")


def _respond(got: Got) -> bytes | Iterator[Step]:
    """What the path asks for; the body is the number of the request."""
    number = str(got.number).encode()
    what = got.target.rsplit("/", 1)[1].partition("?")[0]
    if what == "slow":
        return iter((0.5, _cacheable(number)))
    if what == "slow-private":
        return iter((0.5, _cacheable(number, "private")))
    if what == "cut":
        return iter(
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nCache-Control: max-age=9\r\n\r\nx", CLOSE)
        )
    if what == "renewed":
        return _cacheable(number, "max-age=1, stale-while-revalidate=60", 'ETag: "1"\r\n')
    if what == "patient":
        return _cacheable(number, "max-age=0, stale-if-error=60")
    if what == "lasting":
        return _cacheable(number, "max-age=0, must-revalidate", 'ETag: "1"\r\n')
    if what == "confused":
        return _confused(got, number)
    if what == "checked":
        if got.headers.get("if-none-match") == '"1"':
            return b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nX-New: 1\r\n\r\n'
        return _cacheable(number, "no-cache", 'ETag: "1"\r\n')
    return _cacheable(number)


def _confused(got: Got, number: bytes) -> bytes:
    """A 304 that speaks of another version than the one asked about."""
    if "if-none-match" in got.headers:
        return b'HTTP/1.1 304 Not Modified\r\nETag: "other"\r\n\r\n'
    return _cacheable(number, "no-cache", f'ETag: "1"\r\nX-Saw: {got.headers.get("x-new")}\r\n')


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    with origin(_respond) as running:
        yield running


@pytest.fixture(scope="module")
def door(upstream: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    with front_door(tmp_path_factory.mktemp("door"), _document(upstream.address)) as running:
        yield running


@pytest.fixture
def get(door: FrontDoor) -> Callable[..., httpx.Response]:
    return lambda path, **headers: plain.get(door.url + path, headers=headers, timeout=10)


def test_hit(door: FrontDoor, upstream: Origin, get: Callable[..., httpx.Response]) -> None:
    """The second request does not reach the origin, and says how old its answer is."""
    first = get("/a/plain")
    second = get("/a/plain")
    assert (second.text, second.headers["age"]) == (first.text, "0")
    assert second.headers["cache-status"].startswith("ficus; hit; ttl=")
    assert "age" not in first.headers
    assert plain.head(f"{door.url}/a/plain").headers["content-length"] == str(len(first.text))
    assert get("/a/plain", Range="bytes=0-0").status_code == 206
    assert _asked(upstream, "/a/plain") == 1
    assert second.headers["x-request-id"] != first.headers["x-request-id"]


def test_validation(upstream: Origin, get: Callable[..., httpx.Response]) -> None:
    """The origin is asked whether it still holds, and its 304 becomes the stored answer."""
    first, second = get("/b/checked"), get("/b/checked")
    assert (second.status_code, second.text, second.headers["x-new"]) == (200, first.text, "1")
    *_, asked = (got for got in upstream.got if got.target == "/b/checked")
    assert asked.headers["if-none-match"] == '"1"'
    assert get("/b/checked", **{"If-None-Match": '"1"'}).status_code == 304


def test_command_on_another_route_invalidates(
    door: FrontDoor, get: Callable[..., httpx.Response]
) -> None:
    """What a POST changes is not served from before it."""
    first = get("/c/plain?x=1")
    assert get("/c/plain?x=1").text == first.text
    plain.post(f"{door.url}/c/plain?x=1")
    assert get("/c/plain?x=1").text != first.text


def test_many_at_once_are_one_request(upstream: Origin, get: Callable[..., httpx.Response]) -> None:
    """Those that come while the first is under way get its answer."""
    with ThreadPoolExecutor(10) as pool:
        texts = {answer.text for answer in pool.map(get, ["/d/slow"] * 10)}
    assert (len(texts), _asked(upstream, "/d/slow")) == (1, 1)


def test_many_at_once_for_private_answers(
    upstream: Origin, get: Callable[..., httpx.Response]
) -> None:
    """Each gets its own, and they do not queue up behind one another."""
    began = time.monotonic()
    with ThreadPoolExecutor(5) as pool:
        texts = {answer.text for answer in pool.map(get, ["/e/slow-private"] * 5)}
    assert (len(texts), _asked(upstream, "/e/slow-private")) == (5, 5)
    assert time.monotonic() - began < 2


def test_client_that_leaves_is_replaced(
    door: FrontDoor, upstream: Origin, get: Callable[..., httpx.Response]
) -> None:
    """When the one that asks goes away, another of those that wait asks."""
    with create_connection(("127.0.0.1", door.port)) as leaver, ThreadPoolExecutor(3) as pool:
        leaver.sendall(b"GET /f/slow HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        _until(lambda: _asked(upstream, "/f/slow") == 1)
        waiting = [pool.submit(get, "/f/slow") for _ in range(3)]
        time.sleep(0.1)
        leaver.close()
        texts = {one.result().text for one in waiting}
    assert (len(texts), _asked(upstream, "/f/slow")) == (1, 2)


def test_broken_answer_is_not_stored(get: Callable[..., httpx.Response]) -> None:
    """Only what is whole is served again."""
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            get("/g/cut")


def test_stale_while_revalidate(upstream: Origin, get: Callable[..., httpx.Response]) -> None:
    """The old answer at once, and one request in the background for the next."""
    first = get("/h/renewed").text
    time.sleep(1.1)
    assert get("/h/renewed").text == first
    _until(lambda: get("/h/renewed").text != first)
    first_asked, second_asked = (got for got in upstream.got if got.target == "/h/renewed")
    assert "if-none-match" not in first_asked.headers
    assert second_asked.headers["if-none-match"] == '"1"'


def test_confused_304_is_asked_again(upstream: Origin, get: Callable[..., httpx.Response]) -> None:
    """Without our conditions, and shaped as the route says."""
    for path in ("/i/confused", "/shaped/confused"):
        first = get(path, **{"X-Old": "client"})
        second = get(path, **{"X-Old": "client"})
        assert second.status_code == 200
        assert (second.text != first.text, _asked(upstream, path)) == (True, 3)
        shaped = path.startswith("/shaped")
        assert second.headers.get("x-shaped") == ("yes" if shaped else None)
        assert second.headers["x-saw"] == ("client" if shaped else "None")


def test_origin_that_is_gone(tmp_path: Path) -> None:
    """stale-if-error, must-revalidate, and the fallback that serves whatever there is."""
    with origin(_respond) as gone, front_door(tmp_path, _document(gone.address)) as door:
        paths = ("/patient", "/lasting", "/lenient/lasting")
        before = {path: plain.get(door.url + path).text for path in paths}
        gone.close()
        time.sleep(0.01)
        after = {path: plain.get(door.url + path) for path in paths}
    assert {path: answer.status_code for path, answer in after.items()} == {
        "/patient": 200,
        "/lasting": 502,
        "/lenient/lasting": 200,
    }
    for path in ("/patient", "/lenient/lasting"):
        assert after[path].text == before[path]


def _asked(upstream: Origin, target: str) -> int:
    """How often the origin was asked for it."""
    return sum(got.target == target for got in upstream.got)


def _until(true: Callable[[], bool], patience: float = 5.0) -> None:
    until = time.monotonic() + patience
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)
