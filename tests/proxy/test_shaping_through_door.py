"""A route's rules at work in the real door: alone, and with retries, waiting and the cache."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.proxy.client import Crowd, ask, crowd
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import CLOSE, Got, Origin, Step, ok, origin, talk
from tests.proxy.stage import Stage, capability, fenced, instances, route, stage
from tests.waiting import eventually

JSON = {"Content-Type": "application/json"}
TYPE = "Content-Type: application/json\r\n"
LIMIT = 262_144  # bytes of a body that is changed
REQUEST = {
    "prefix": "/v2/things",
    "headers": {"rename": {"X-Old": "X-New"}, "remove": ["X-Gone"], "set": {"X-Version": "2"}},
    "query": {"rename": {"q": "search"}, "remove": ["debug"], "add": {"limit": 10}},
    "body": {"rename": {"lines[].sku": "code"}, "remove": ["internal"], "add": {"version": 2}},
}
RESPONSE = {
    "headers": {"rename": {"X-Inner": "X-Outer"}, "remove": ["X-Secret"], "add": {"Vary": "A"}},
    "body": {"rename": {"lines[].code": "sku"}, "remove": ["cost"]},
}


def respond(got: Got) -> bytes | list[Step]:
    """What the end of the path says; else the body comes back as it came."""
    what = got.target.partition("?")[0].rsplit("/", 1)[1]
    if what in ANSWERS:
        return ANSWERS[what]
    if what == "renewed":
        fresh = "Cache-Control: max-age=1, stale-while-revalidate=60\r\nX-Inner: 1\r\n"
        return ok(b'{"cost":1,"number":%d}' % got.number, more=fresh + TYPE)
    if what == "conditional":
        return _conditional(got)
    if what == "once":  # the first time it breaks off in the middle of its body
        return ANSWERS["length"] if got.headers["x-turn"] in SEEN else _break_off(got)
    return ok(got.body, more=TYPE)


def _conditional(got: Got) -> bytes:
    if got.headers.get("if-none-match") in ('"1"', 'W/"1"'):
        return b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nX-Inner: 1\r\n\r\n'
    fresh = "Cache-Control: max-age=1, stale-while-revalidate=60\r\n" + TYPE
    content = b'{"cost":1,"asked":"%b","number":%d}' % (got.target.encode(), got.number)
    return ok(content, more=f'ETag: "1"\r\n{fresh}')


def _break_off(got: Got) -> list[Step]:
    SEEN.add(got.headers["x-turn"])
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n{TYPE}\r\n".encode()
    return [head + b'{"lines":[{"code"', 0.05, CLOSE]


SEEN: set[str] = set()
INNER = b'{"lines":[{"code":"a1"}],"cost":5,"n":1.50}'
OUTER = b'{"lines":[{"sku":"a1"}],"n":1.50}'
ANSWERS: dict[str, bytes | list[Step]] = {
    "length": ok(INNER, more=f'{TYPE}X-Inner: 1\r\nX-Secret: 1\r\nETag: "1"\r\n'),
    "chunks": [
        f"HTTP/1.1 200 OK\r\n{TYPE}Transfer-Encoding: chunked\r\n\r\n5\r\n".encode() + INNER[:5],
        0.05,
        b"\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(INNER) - 5, INNER[5:]),
    ],
    "to-the-end": [f"HTTP/1.1 200 OK\r\n{TYPE}\r\n".encode() + INNER[:7], 0.05, INNER[7:], CLOSE],
    "large": ok(b'{"cost":"' + b"x" * LIMIT + b'"}', more=TYPE),
    "not-json": ok(b'{"cost": 1', more=TYPE),
    "text": ok(b"cost", more="Content-Type: text/plain\r\nX-Secret: 1\r\n"),
    "zipped": ok(gzip.compress(INNER), more=f"{TYPE}Content-Encoding: gzip\r\n"),
    "problem": ok(b'{"cost":1}', status="400 X", more="Content-Type: application/problem+json\r\n"),
    "nothing": b"HTTP/1.1 204 No Content\r\nX-Inner: 1\r\nX-Secret: 1\r\n\r\n",
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    with origin(respond) as running:
        yield running


@pytest.fixture(scope="module")
def door(upstream: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    tolerant: dict[str, Any] = {"breaker": None, "outliers": None}
    cache: dict[str, Any] = {"cache": {}}
    document = {
        "upstreams": {"up": instances(upstream, **tolerant)},
        "routes": [
            route("things", upstream="up", request=REQUEST, response=RESPONSE),
            route("in", upstream="up", request={"body": REQUEST["body"]}),
            route("out", upstream="up", response=RESPONSE),
            route("cached-out", upstream="up", response=RESPONSE, **cache),
            route("cached-in", upstream="up", request={**REQUEST, "body": {}}, **cache),
        ],
    }
    with front_door(tmp_path_factory.mktemp("door"), document) as running:
        yield running


# ---------------------------------------------------------------- requests


def test_head_of_a_request_is_changed(door: FrontDoor, upstream: Origin) -> None:
    """Prefix, query and fields, at once; what no rule names stays as it came."""
    headers = {"X-Old": "o", "X-Gone": "g", "X-Stays": "s"}
    ask(door.port, "GET", "/things/a%20b/length?q=1&debug=2&y=%7e", headers=headers)
    got = upstream.got[-1]
    assert got.target == "/v2/things/a%20b/length?search=1&y=%7e&limit=10"
    assert (got.headers["x-new"], got.headers["x-version"], got.headers["x-stays"]) == (
        ("o", "2", "s")
    )
    assert not {"x-old", "x-gone"} & got.headers.keys()


@pytest.mark.parametrize("chunked", [False, True])
def test_body_of_a_request_is_changed(chunked: bool, door: FrontDoor, upstream: Origin) -> None:
    """However it is framed; it goes on with a length, numbers as they were."""
    body = b'{"lines": [{"sku": "a"}, {"sku": "b"}], "internal": 1, "n": 1.50}'
    sent = [body[:9], body[9:]] if chunked else body
    assert ask(door.port, "POST", "/in/x", body=sent, headers=JSON).status == 200
    got = upstream.got[-1]
    assert got.body == b'{"lines":[{"code":"a"},{"code":"b"}],"n":1.50,"version":2}'
    assert got.headers["content-length"] == str(len(got.body))
    assert "transfer-encoding" not in got.headers


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "text/plain"}, b'{"internal": 1}'),
        ({"Content-Type": "application/problem+json"}, b'{"internal": 1}'),
        ({"Content-Type": "text/plain"}, b"x" * (LIMIT + 10)),
        (JSON, b""),
        (JSON, b"[1,2]"),
    ],
)
def test_other_bodies_pass(
    headers: dict[str, str], body: bytes, door: FrontDoor, upstream: Origin
) -> None:
    """What is no JSON, or nothing that a rule names."""
    assert ask(door.port, "POST", "/in/x", body=body, headers=headers).status == 200
    assert upstream.got[-1].body == body


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("more", "body", "status"),
    [
        ({}, b'{"internal": 1', 400),
        ({}, b"\xff\xfe", 400),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"{}", mtime=0), 415),
        ({}, b'{"a": "' + b"x" * LIMIT + b'"}', 413),
    ],
)
def test_bodies_that_cannot_be_changed_are_refused(
    more: dict[str, str], body: bytes, status: int, chunked: bool, door: FrontDoor, upstream: Origin
) -> None:
    """The upstream might read in them what the rules were to change; nothing reaches it."""
    before = len(upstream.got)
    sent = [body[at : at + 60_000] for at in range(0, len(body), 60_000)] if chunked else body
    reply = ask(door.port, "POST", "/in/x", body=sent, headers={**JSON, **more})
    assert reply.status == status
    assert len(upstream.got) == before


def test_body_that_is_held_back_is_asked_for(door: FrontDoor) -> None:
    """A client that waits for 100 Continue gets it, as the whole body is needed first."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=5) as client:
        client.sendall(
            b"POST /in/x HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b'{"internal":1}')
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 200")
    assert received.endswith(b'{"version":2}')


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("framing", ["length", "chunks", "to-the-end"])
def test_answer_is_changed(framing: str, door: FrontDoor) -> None:
    """Its body whole, with its new length; its validator is no strong one any more."""
    reply = ask(door.port, "GET", f"/out/{framing}")
    assert (reply.status, reply.body) == (200, OUTER)
    assert reply.headers["content-length"] == str(len(OUTER))
    assert reply.headers["vary"] == "A"
    assert not {"x-inner", "x-secret", "transfer-encoding"} & reply.headers.keys()
    if framing == "length":
        assert (reply.headers["x-outer"], reply.headers["etag"]) == ("1", 'W/"1"')


def test_answers_without_content_have_the_same_fields(door: FrontDoor) -> None:
    """HEAD has no length that would be wrong, 304 the weak validator, 204 the rules too."""
    head = ask(door.port, "HEAD", "/out/length")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", 'W/"1"')
    assert "content-length" not in head.headers
    same = ask(door.port, "GET", "/out/conditional", headers={"If-None-Match": 'W/"1"'})
    assert (same.status, same.headers["etag"], same.headers["x-outer"]) == (304, 'W/"1"', "1")
    nothing = ask(door.port, "GET", "/out/nothing")
    assert (nothing.status, nothing.headers["x-outer"]) == (204, "1")
    assert "x-secret" not in nothing.headers


@pytest.mark.parametrize("what", ["large", "not-json", "text", "zipped", "problem"])
def test_answers_that_cannot_be_changed_pass(what: str, door: FrontDoor) -> None:
    """Byte by byte; the rules for fields hold."""
    reply = ask(door.port, "GET", f"/out/{what}")
    answer = ANSWERS[what]
    assert isinstance(answer, bytes)
    assert reply.body == answer.partition(b"\r\n\r\n")[2]
    assert "x-secret" not in reply.headers
    assert reply.headers["vary"] == "A"


def test_connection_goes_on_after_changed_answers(door: FrontDoor) -> None:
    """Lengths are right: requests sent ahead are answered one after the other."""
    names = ("length", "chunks", "nothing", "large", "conditional", "length")
    sent = b"".join(b"GET /out/%b HTTP/1.1\r\nHost: a\r\n\r\n" % name.encode() for name in names)
    last = b"HEAD /out/length HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    received = talk(door.port, sent + last)
    assert received.count(b"HTTP/1.1 20") == 7
    assert received.count(OUTER) == 3


def test_upstream_is_asked_for_what_can_be_changed(door: FrontDoor, upstream: Origin) -> None:
    """Whole and plain, whatever the client could take."""
    ask(door.port, "GET", "/out/length", headers={"Accept-Encoding": "gzip", "Range": "bytes=0-1"})
    got = upstream.got[-1]
    assert got.headers["accept-encoding"] == "identity"
    assert "range" not in got.headers


# ---------------------------------------------------------------- with retries


def test_second_attempt_is_shaped_like_the_first(door: FrontDoor, upstream: Origin) -> None:
    """And of the first answer, which broke off, nothing is left in the second."""
    headers = {**JSON, "X-Turn": "1", "X-Old": "o", "Idempotency-Key": "k"}
    reply = ask(door.port, "POST", "/things/once?q=1", body=b'{"internal":1}', headers=headers)
    assert (reply.status, reply.body) == (200, OUTER)
    for got in upstream.got[-2:]:
        assert got.target == "/v2/things/once?search=1&limit=10"
        assert (got.body, got.headers["x-new"]) == (b'{"version":2}', "o")


# ---------------------------------------------------------------- with waiting


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Capabilities whose routes have rules."""
    capabilities = {name: capability() for name in ("held", "large", "fenced")}
    rules = {"request": {"body": {"rename": {"a": "b"}}}}
    routes = {"held": rules, "large": rules, "fenced": rules}
    with stage(tmp_path_factory.mktemp("stage"), capabilities, routes) as running:
        yield running


@pytest.fixture
def people() -> Iterator[Crowd]:
    with crowd() as running:
        yield running


def test_held_command_is_shaped_when_it_goes(play: Stage, people: Crowd) -> None:
    """Once, by the rules of the table that lets it go."""
    play.hold("held")
    waiting = people.ask(play.port, "POST", "/held", body=b'{"a":1}', headers=JSON)
    play.wait_until_held("held", 1)
    table = play.door.admin("GET", "/-/table").json()
    (held,) = (one for one in table["routes"] if one["name"] == "held")
    held["request"]["body"]["rename"] = {"a": "c"}
    table["capabilities"]["held"]["held"] = False
    assert play.door.admin("PUT", "/-/table", json=table).status_code == 200
    assert waiting.result().status == 200
    assert [got.body for got in play.monolith.got("held")] == [b'{"c":1}']


@pytest.mark.parametrize("chunked", [False, True])
def test_large_body_is_read_on_when_it_is_needed(chunked: bool, play: Stage, people: Crowd) -> None:
    """More than is read of a command that waits, less than is too large to change."""
    before = play.held("large"), len(play.monolith.got("large"))
    play.hold("large")
    body = json.dumps({"a": "x" * 200_000}).encode()
    sent = [body[at : at + 50_000] for at in range(0, len(body), 50_000)] if chunked else body
    waiting = people.ask(play.port, "POST", "/large", body=sent, headers=JSON)
    play.wait_until_held("large", int(before[0]) + 1)
    time.sleep(0.2)
    play.door.admin("PATCH", "/-/capabilities/large", json={"held": False})
    assert waiting.result().status == 200
    (got,) = play.monolith.got("large")[before[1] :]
    assert json.loads(got.body) == {"b": "x" * 200_000}


def test_fenced_command_is_shaped_anew_by_a_new_table(play: Stage, people: Crowd) -> None:
    """From what the client sent, not from what the old side was sent."""
    play.monolith.play("fenced", fenced())
    waiting = people.ask(play.port, "POST", "/fenced", body=[b'{"a"', b":1}"], headers=JSON)
    eventually(lambda: len(play.monolith.got("fenced")) > 1)
    table = play.door.admin("GET", "/-/table").json()
    (moving,) = (one for one in table["routes"] if one["name"] == "fenced")
    moving["request"] = {"body": {"rename": {"a": "new"}}, "headers": {"set": {"X-Side": "new"}}}
    table["capabilities"]["fenced"] |= {"phase": "extracted", "epoch": 4}
    assert play.door.admin("PUT", "/-/table", json=table).status_code == 200
    assert waiting.result().text == "service"
    assert {got.body for got in play.monolith.got("fenced")} == {b'{"b":1}'}
    (got,) = play.service.got("fenced")
    assert (got.body, got.headers["x-side"]) == (b'{"new":1}', "new")


# ---------------------------------------------------------------- with the cache


def test_cache_keeps_the_changed_answer(door: FrontDoor, upstream: Origin) -> None:
    """It is served changed, and validated with the client's weak validator too."""
    first = ask(door.port, "GET", "/cached-out/conditional")
    before = len(upstream.got)
    second = ask(door.port, "GET", "/cached-out/conditional")
    assert second.body == first.body
    assert b"cost" not in first.body
    assert second.headers["etag"] == 'W/"1"'
    same = ask(door.port, "GET", "/cached-out/conditional", headers={"If-None-Match": 'W/"1"'})
    assert same.status == 304
    assert len(upstream.got) == before


def test_changed_answer_is_renewed_in_the_background(door: FrontDoor, upstream: Origin) -> None:
    """The stale one at once, and then the newer one, changed by the same rules."""
    target = "/cached-out/renewed"
    first = ask(door.port, "GET", target)
    assert json.loads(first.body) == {"number": upstream.got[-1].number}
    before = len(upstream.got)
    time.sleep(1.1)
    assert ask(door.port, "GET", target).body == first.body  # stale, and renewed meanwhile
    eventually(lambda: len(upstream.got) > before)
    eventually(lambda: ask(door.port, "GET", target).body != first.body)
    newer = ask(door.port, "GET", target)
    assert json.loads(newer.body) == {"number": upstream.got[before].number}
    assert newer.headers["x-outer"] == "1"
    assert upstream.got[before].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("what", "reason"),
    [("large", "too_large"), ("not-json", "unreadable"), ("zipped", "coded")],
)
def test_answers_that_had_to_pass_as_they_came_are_counted(
    what: str, reason: str, door: FrontDoor
) -> None:
    """By route and reason; a HEAD has no body that could have been changed."""

    def counted() -> float:
        name = "ficus_proxy_unshaped_answers_total"
        return door.metric(name, route="out", reason=reason)

    before = counted()
    assert ask(door.port, "GET", f"/out/{what}").status == 200
    assert counted() == before + 1
    ask(door.port, "HEAD", f"/out/{what}")
    assert ask(door.port, "GET", "/out/length").body == OUTER
    assert counted() == before + 1


def test_answer_is_renewed_by_a_changed_request(door: FrontDoor, upstream: Origin) -> None:
    """What is fetched in the background is what the rules say, not what the client wrote."""
    target = "/cached-in/conditional?q=1"
    headers = {"X-Old": "o"}
    first = ask(door.port, "GET", target, headers=headers)
    assert json.loads(first.body)["asked"] == "/v2/things/conditional?search=1&limit=10"
    before = len(upstream.got)
    time.sleep(1.1)
    assert ask(door.port, "GET", target, headers=headers).body == first.body
    eventually(lambda: len(upstream.got) > before)
    renewing = upstream.got[-1]
    assert renewing.target == "/v2/things/conditional?search=1&limit=10"
    assert (renewing.headers["x-new"], renewing.headers["if-none-match"]) == ("o", '"1"')
    assert "x-old" not in renewing.headers
