"""What a rendered document does with requests at the real data planes, option by option."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from strangler_proxy.config import Fields
from strangler_proxy.render import Target, render
from strangler_proxy.transform.targets import TargetRules
from tests.ports import free_port
from tests.proxy.render.documents import document
from tests.proxy.render.echo import Upstream, upstreams
from tests.proxy.render.planes import Plane, running
from tests.waiting import eventually

ENVOY = pytest.param(Target.ENVOY, id="envoy")
HAPROXY = pytest.param(Target.HAPROXY, id="haproxy", marks=pytest.mark.debian)
NGINX = pytest.param(Target.NGINX, id="nginx", marks=pytest.mark.debian)
ALL = [ENVOY, HAPROXY, NGINX]
ODD = "a $x %y% {z} \"q\" 'r' \\ ;#"  # what means something to one target or another
NOBODY = "127.0.0.1:1"  # nothing listens there


@contextmanager
def serving(
    target: Target,
    *routes: dict[str, Any],
    upstream: dict[str, dict[str, Any]] | None = None,
    listen: dict[str, Any] | None = None,
    **more: Any,
) -> Iterator[tuple[Plane, dict[str, Upstream]]]:
    """A data plane before three upstreams; a route asks ``shop`` and needs no credentials.

    ``upstream`` changes what is said of one of them by name.
    """
    port = free_port()
    with upstreams("shop", "payment", "spare") as servers:
        whole = document(
            listen=[
                {"address": f"127.0.0.1:{port}", **(listen or {})}
                | {"limits": {"connections": 500, **(listen or {}).get("limits", {})}}
            ],
            upstreams={
                name: {"instances": [{"address": server.address}]} | (upstream or {}).get(name, {})
                for name, server in servers.items()
            },
            routes=[_route(number, route) for number, route in enumerate(routes)],
            **{"access_log": {"path": None}, **more},
        )
        with running(target, render(whole, target), port) as plane:
            yield plane, servers


def _route(number: int, route: dict[str, Any]) -> dict[str, Any]:
    goes = {} if {"capability", "answer", "upstream"} & set(route) else {"upstream": "shop"}
    return {"name": f"r{number}", "authentication": "none", **goes, **route}


HEADERS = {
    "remove": ["X-Gone"],
    "rename": {"X-Old": "X-New", "X-Former": "X-Present"},
    "set": {"X-Set": ODD},
    "add": {"X-More": ODD},
}


@pytest.mark.parametrize("target", ALL)
def test_request_headers_follow_the_rules(target: Target) -> None:
    """Removed, renamed unless the new name came, set, added; values arrive letter by letter."""
    sent = [
        *(("X-Gone", "1"), ("X-Old", "old"), ("X-Former", "former"), ("X-Present", "present")),
        *(("X-Set", "theirs"), ("X-More", "theirs"), ("X-Kept", "kept")),
    ]
    with serving(target, {"prefix": "/", "request": {"headers": HEADERS}}) as (plane, _):
        seen = plane.ask("GET", "/", sent).seen["headers"]
        alone = plane.ask("GET", "/").seen["headers"]
    assert not {"x-gone", "x-old", "x-former"} & set(seen)
    assert (seen["x-new"], seen["x-present"], seen["x-kept"]) == ("old", "present", "kept")
    assert (seen["x-set"], seen["x-more"].removeprefix("theirs, ")) == (ODD, ODD)
    assert not {"x-new", "x-present"} & set(alone)
    assert (alone["x-set"], alone["x-more"]) == (ODD, ODD)


@pytest.mark.parametrize("target", ALL)
def test_response_headers_follow_the_rules(target: Target) -> None:
    """The same on the way back; what is internal does not leave."""
    said = {
        "X-Gone": "1",
        "X-Old": "old",
        "X-Former": "former",
        "X-Present": "present",
        "X-Set": "theirs",
        "Ficus-Moved": "3",
    }
    with serving(target, {"prefix": "/", "response": {"headers": HEADERS}}) as (plane, servers):
        servers["shop"].answers = said
        found = plane.ask("GET", "/").headers
        servers["shop"].answers = {}
        alone = plane.ask("GET", "/").headers
    assert not {"x-gone", "x-old", "x-former", "ficus-moved"} & set(found)
    assert (found["x-new"], found["x-present"]) == ("old", "present")
    assert (found["x-set"], found["x-more"]) == (ODD, ODD)
    assert not {"x-new", "x-present"} & set(alone)


@pytest.mark.parametrize("target", ALL)
def test_the_upstream_is_told_who_asks_and_nothing_internal_from_outside(target: Target) -> None:
    """Address, scheme, request id and deadline are ours; what a client says of them is dropped."""
    forged = [
        *(("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "gopher"), ("X-Real-IP", "6")),
        *(("Forwarded", "for=6.6.6.6"), ("X-Forwarded-Host", "evil"), ("Ficus-Deadline", "9")),
        *(("Ficus-Subject", "evil"), ("ficus-scopes", "*"), ("Ficus-Staff", "true")),
        *(("Ficus-Route", "service"), ("X-Ficus-Staff", "1"), ("Ficus-Mirror", "1")),
    ]
    with serving(target, {"prefix": "/", "deadline_seconds": 2.5}) as (plane, _):
        seen = plane.ask("GET", "/", forged).seen["headers"]
    assert seen["ficus-deadline"] == "2500"
    assert seen["x-request-id"]
    assert seen["x-forwarded-proto"] == "http"
    assert "6.6.6.6" not in seen["x-forwarded-for"]
    assert [name for name in seen if "ficus" in name] == ["ficus-deadline"]
    assert not {"forwarded", "x-real-ip", "x-forwarded-host"} & set(seen)


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("prefix", ["/", "/to/there"])
def test_prefixes_are_replaced_by_whole_segments(target: Target, prefix: str) -> None:
    """The upstream sees the path that the front door would send."""
    rules = TargetRules(prefix, Fields(), "/a/b")
    targets = ["/a/b", "/a/b/", "/a/b/c", "/a/b/c/?q=/a/b", "/a/b?x=1"]
    with serving(target, {"prefix": "/a/b", "request": {"prefix": prefix}}) as (plane, _):
        found = {sent: plane.ask("GET", sent).seen["target"] for sent in targets}
    assert found == {sent: rules.apply(sent.encode()).decode() for sent in targets}


def test_envoy_changes_query_parameters() -> None:
    """They are removed and added where missing; renaming is reported."""
    rules = {"query": {"remove": ["gone"], "add": {"page": 1, "all": True}}}
    with serving(Target.ENVOY, {"prefix": "/", "request": rules}) as (plane, _):
        seen = [
            plane.ask("GET", f"/x?{query}").seen["target"] for query in ("gone=1&a=2", "page=7")
        ]
    assert [set(target.removeprefix("/x?").split("&")) for target in seen] == [
        {"a=2", "page=1", "all=true"},
        {"page=7", "all=true"},
    ]


@pytest.mark.parametrize("target", ALL)
def test_fixed_answers_are_given_letter_by_letter(target: Target) -> None:
    """Status, headers and body, whatever is in them."""
    body = f'{{"detail": "{ODD}"}}\nän der Tür'
    answer = {
        "status": 410,
        "headers": {"Content-Type": "application/problem+json", "X-Why": ODD},
        "body": body,
    }
    empty = {"status": 204}
    away = {"status": 302, "headers": {"Location": "https://shop.example/?a=$b"}}
    with serving(
        target,
        {"prefix": "/gone", "answer": answer},
        {"prefix": "/empty", "answer": empty},
        {"prefix": "/away", "answer": away},
    ) as (plane, _):
        gone, nothing = plane.ask("GET", "/gone/x"), plane.ask("GET", "/empty")
        redirect = plane.ask("GET", "/away")
    assert (gone.status, gone.body.decode()) == (410, body)
    assert gone.headers["content-type"] == "application/problem+json"
    assert gone.headers["x-why"] == ODD
    assert (nothing.status, nothing.body) == (204, b"")
    assert (redirect.status, redirect.headers["location"]) == (302, "https://shop.example/?a=$b")


@pytest.mark.parametrize("target", ALL)
def test_large_bodies_are_refused(target: Target) -> None:
    """413 above the route's limit, and not at it."""
    with serving(
        target, {"prefix": "/", "request_bytes": 100}, {"prefix": "/more", "request_bytes": 200}
    ) as (plane, servers):
        statuses = [
            plane.ask("POST", path, body=b"x" * size).status
            for path, size in (("/", 100), ("/", 101), ("/more", 101), ("/more", 201))
        ]
        assert statuses == [200, 413, 200, 413]
        assert [one["body"] for one in servers["shop"].requests] == [100, 101]


@pytest.mark.parametrize("target", ALL)
def test_rate_limits_refuse_the_request_after_the_last_that_is_free(target: Target) -> None:
    """429 for one address, on all routes that name the limit together."""
    with serving(
        target,
        {"prefix": "/a", "rate_limits": ["few"]},
        {"prefix": "/b", "rate_limits": ["few"]},
        {"prefix": "/free"},
        rate_limits={"few": {"requests": 3, "seconds": 60}},
    ) as (plane, _):
        statuses = [plane.ask("GET", path).status for path in ("/a", "/b", "/a", "/b", "/a")]
        free = [plane.ask("GET", "/free").status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert free == [200] * 5


@pytest.mark.parametrize("target", ALL)
def test_trusted_proxies_say_who_the_client_is(target: Target) -> None:
    """Each address that they name has its own limit; the upstream gets the chain."""
    with serving(
        target,
        {"prefix": "/", "rate_limits": ["few"]},
        rate_limits={"few": {"requests": 1, "seconds": 60, "per": "address"}},
        listen={"trusted_proxies": ["127.0.0.0/8"]},
    ) as (plane, servers):
        statuses = [
            plane.ask("GET", "/", [("X-Forwarded-For", address)]).status
            for address in ("203.0.113.1", "203.0.113.2", "203.0.113.1")
        ]
        seen = servers["shop"].requests[0]["headers"]
    assert statuses == [200, 200, 429]
    assert seen["x-forwarded-for"].startswith("203.0.113.1,")


@pytest.mark.parametrize("target", [ENVOY, HAPROXY])
def test_what_may_be_repeated_is_repeated(target: Target) -> None:
    """Idempotent methods and those with an Idempotency-Key, after the statuses that are named."""
    with serving(target, {"prefix": "/", "retry": {"attempts": 2}}) as (plane, servers):
        asked = [
            plane.ask("GET", "/once/status/503").status,
            plane.ask("PUT", "/once/status/503", body=b"x").status,
            plane.ask("POST", "/once/status/503", [("Idempotency-Key", "k")], b"x").status,
        ]
        before = len(servers["shop"].requests)
        refused = plane.ask("POST", "/once/status/503", body=b"x").status
        other = plane.ask("GET", "/status/502").status
        after = len(servers["shop"].requests)
    assert asked == [200, 200, 200]
    assert (before, refused, other, after) == (6, 503, 502, 8)


@pytest.mark.parametrize("target", ALL)
def test_another_instance_is_asked_when_one_is_gone(target: Target) -> None:
    """Nobody notices that one of two instances does not listen."""
    with upstreams("shop") as servers:
        instances = [{"address": NOBODY}, {"address": servers["shop"].address}]
        with serving(target, {"prefix": "/"}, upstream={"shop": {"instances": instances}}) as (
            plane,
            _,
        ):
            assert {plane.ask("GET", "/").outcome for _ in range(20)} == {"shop"}


@pytest.mark.parametrize("target", ALL)
def test_requests_are_spread_by_weight(target: Target) -> None:
    """Three times the weight takes about three times the requests."""
    with upstreams("heavy", "light") as servers:
        instances = [
            {"address": servers["heavy"].address, "weight": 3},
            {"address": servers["light"].address},
        ]
        with serving(target, {"prefix": "/"}, upstream={"shop": {"instances": instances}}) as (
            plane,
            _,
        ):
            for _ in range(200):
                plane.ask("GET", "/")
        share = len(servers["heavy"].requests) / 200
    assert 0.65 < share < 0.85


@pytest.mark.parametrize("target", ALL)
def test_a_fallback_answers_for_statuses_and_for_nobody(target: Target) -> None:
    """The same answer for a status of the upstream and for an upstream that is not there."""
    answer = {"status": 200, "body": ODD, "headers": {"X-Stale": "yes"}}
    fallback = {"answer": answer, "statuses": [502, 503, 504]}
    with serving(
        target,
        {"prefix": "/there", "fallback": fallback},
        {"prefix": "/gone", "fallback": fallback, "upstream": "payment"},
        {"prefix": "/plain"},
        upstream={"payment": {"instances": [{"address": NOBODY}]}},
    ) as (plane, _):
        found = [plane.ask("GET", path) for path in ("/there/status/503", "/gone/x")]
        untouched = [
            plane.ask("GET", path).status for path in ("/there/status/500", "/plain/status/503")
        ]
        well = plane.ask("GET", "/there").outcome
    assert [(one.status, one.body.decode(), one.headers["x-stale"]) for one in found] == [
        (200, ODD, "yes")
    ] * 2
    assert (untouched, well) == ([500, 503], "shop")


CHECKED = {
    "health": {"interval_seconds": 0.1, "timeout_seconds": 0.1, "unhealthy": 1, "path": "/readyz"}
}


@pytest.mark.parametrize("target", ALL)
def test_the_monolith_stands_in_for_a_canary_that_is_gone(target: Target) -> None:
    """While the monolith is the authority, nobody is lost with the service."""
    capability = {"monolith": "shop", "service": "payment", "phase": "canary", "percent": 100}
    with serving(
        target,
        {"prefix": "/", "capability": "payment"},
        {"prefix": "/moved", "capability": "moved"},
        capabilities={
            "payment": capability,
            "moved": {"monolith": "shop", "service": "payment", "phase": "extracted"},
        },
        upstream={"payment": {"instances": [{"address": NOBODY}]} | CHECKED},
    ) as (plane, servers):
        eventually(lambda: plane.ask("GET", "/").outcome == "shop")
        moved = plane.ask("GET", "/moved").status
        asked = [one["target"] for one in servers["shop"].requests]
    assert moved in (502, 503)
    assert "/moved" not in asked


@pytest.mark.parametrize("target", ALL)
def test_a_fallback_upstream_is_asked(target: Target) -> None:
    """When the first has nobody left."""
    with serving(
        target,
        {"prefix": "/", "upstream": "payment", "fallback": {"upstream": "spare"}},
        upstream={"payment": {"instances": [{"address": NOBODY}]} | CHECKED},
    ) as (plane, _):
        eventually(lambda: plane.ask("GET", "/").outcome == "spare")


@pytest.mark.parametrize("target", [ENVOY, HAPROXY])
def test_active_checks_keep_an_instance_out(target: Target) -> None:
    """An instance whose check fails gets nothing, though it would answer."""
    with upstreams("well", "ill") as servers:
        instances = [{"address": server.address} for server in servers.values()]
        ill = {"instances": instances} | CHECKED
        ill["health"] = {**CHECKED["health"], "path": "/readyz", "statuses": [200]}
        servers["ill"].sick = True
        with serving(target, {"prefix": "/"}, upstream={"shop": ill}) as (plane, _):
            eventually(lambda: {plane.ask("GET", "/").outcome for _ in range(10)} == {"well"})


@pytest.mark.parametrize("target", ALL)
def test_failing_instances_are_ejected(target: Target) -> None:
    """After so many failures in a row an instance is left in peace."""
    with upstreams("well", "ill") as servers:
        servers["ill"].sick = True
        shop = {
            "instances": [{"address": server.address} for server in servers.values()],
            "outliers": {"consecutive_failures": 3, "eject_seconds": 30},
            "breaker": None,
        }
        # nginx counts a failing answer only where it may ask another instance.
        retry = {"attempts": 2 if target is Target.NGINX else 1}
        with serving(target, {"prefix": "/", "retry": retry}, upstream={"shop": shop}) as (
            plane,
            _,
        ):
            # Envoy ejects in another thread than those that serve.
            eventually(lambda: {plane.ask("GET", "/").outcome for _ in range(10)} == {"well"})
            before = len(servers["ill"].requests)
            outcomes = {plane.ask("GET", "/").outcome for _ in range(20)}
            after = len(servers["ill"].requests)
    assert before >= 3
    assert (outcomes, after) == ({"well"}, before)


@pytest.mark.parametrize("target", ALL)
def test_deadlines_end_waiting(target: Target) -> None:
    """504 when the upstream takes too long; another route may wait."""
    retry = {"attempts": 1}
    with serving(
        target,
        {"prefix": "/short", "deadline_seconds": 0.3, "retry": retry},
        {"prefix": "/long", "deadline_seconds": 10, "retry": retry},
    ) as (plane, _):
        begun = time.monotonic()
        short = plane.ask("GET", "/short/slow").status
        taken = time.monotonic() - begun
        long = plane.ask("GET", "/long/slow").status
    assert (short, long) == (504, 200)
    assert 0.25 < taken < 1.4


@pytest.mark.parametrize("target", ALL)
def test_only_routes_that_say_so_are_upgraded(target: Target) -> None:
    """101 and the new protocol's bytes on one route, no 101 on the other."""
    with serving(target, {"prefix": "/ws", "upgrade": ["websocket"]}, {"prefix": "/plain"}) as (
        plane,
        _,
    ):
        upgraded, refused = _upgrade(plane, "/ws/chat"), _upgrade(plane, "/plain/chat")
    assert upgraded.startswith(b"HTTP/1.1 101 ")
    assert upgraded.endswith(b"hello")
    assert b" 101 " not in refused.partition(b"\r\n")[0]


def _upgrade(plane: Plane, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", plane.port), timeout=5) as client:
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        found = b""
        while not found.endswith(b"hello"):
            if b"\r\n\r\n" in found and b" 101 " not in found[:20]:
                break
            more = client.recv(4096)
            if not more:
                break
            found += more
        return found


@pytest.mark.parametrize("target", [ENVOY, NGINX])
def test_copies_go_to_the_mirror_and_nobody_waits(target: Target) -> None:
    """Of the methods that are named, marked as copies; a mirror that is gone harms nobody."""
    with serving(
        target,
        {"prefix": "/a", "mirror": {"upstream": "spare"}},
        {"prefix": "/gone", "mirror": {"upstream": "payment"}},
        {"prefix": "/never", "mirror": {"upstream": "spare", "percent": 0}},
        {"prefix": "/search", "capability": "search"},
        capabilities={
            "search": {"monolith": "shop", "service": "spare", "phase": "shadow"}
            | {"mirror": {"upstream": "spare", "methods": ["GET", "POST"]}}
        },
        upstream={"payment": {"instances": [{"address": NOBODY}]}},
    ) as (plane, servers):
        copies = servers["spare"].requests
        outcomes = [
            plane.ask("GET", "/a/1?x=1").outcome,
            plane.ask("POST", "/a/2", body=b"x").outcome,
            plane.ask("GET", "/gone").outcome,
            plane.ask("GET", "/never").outcome,
            plane.ask("POST", "/search/3", body=b"xyz").outcome,
        ]
        eventually(lambda: len(copies) >= 2)
        time.sleep(0.1)
        found = sorted((one["method"], one["target"], one["body"]) for one in copies)
    assert outcomes == ["shop"] * 5
    assert found == [("GET", "/a/1?x=1", 0), ("POST", "/search/3", 3)]
    assert {one["headers"]["ficus-mirror"] for one in copies} == {"1"}
    assert all("ficus-mirror" not in one["headers"] for one in servers["shop"].requests)


@pytest.mark.parametrize("target", [HAPROXY, NGINX])
def test_answers_are_cached_where_the_target_can(target: Target) -> None:
    """A second request is answered without the upstream; one with credentials is not."""
    with serving(target, {"prefix": "/c", "cache": {"default_seconds": 60}}, {"prefix": "/n"}) as (
        plane,
        servers,
    ):
        asked = servers["shop"].requests

        def reaches_upstream(path: str, *headers: tuple[str, str]) -> bool:
            before = len(asked)
            plane.ask("GET", path, list(headers))
            return len(asked) > before

        assert reaches_upstream("/c/1")
        eventually(lambda: not reaches_upstream("/c/1"))  # some store after they answer
        assert not reaches_upstream("/c/1")
        assert reaches_upstream("/n/1")
        assert reaches_upstream("/n/1")
        assert reaches_upstream("/c/1", ("Authorization", "Bearer x"))


@pytest.mark.parametrize("target", ALL)
def test_heads_that_are_too_large_are_refused(target: Target) -> None:
    """A head beyond the limit gets an error, one below it passes."""
    with serving(target, {"prefix": "/"}, listen={"limits": {"head_bytes": 20_000}}) as (plane, _):
        small = plane.ask("GET", "/", [("X-A", "a" * 3_000)]).status
        large = plane.ask("GET", "/", [(f"X-{n}", "a" * 7_000) for n in range(5)]).status
    assert small == 200
    assert large in (400, 431)


@pytest.mark.parametrize("target", ALL)
def test_a_request_is_one_line_of_json_in_the_log(target: Target) -> None:
    """With method, path without query, route and status."""
    with serving(target, {"prefix": "/"}, access_log={"path": "-"}) as (plane, _):
        plane.ask("GET", "/orders/1?token=secret")

        def lines() -> list[dict[str, Any]]:
            found = plane.log.read_text().splitlines()
            return [json.loads(line) for line in found if line.startswith("{")]

        eventually(lambda: len(lines()) == 1, "the line")
        line = lines()[0]
    assert (line["method"], line["path"], int(line["status"])) == ("GET", "/orders/1", 200)
    assert line["route"] == "r0"
    assert "secret" not in plane.log.name + json.dumps(line)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (Target.ENVOY, "/ready"),
        *((Target.HAPROXY, path) for path in ("/-/metrics", "/-/live")),
        *((Target.NGINX, path) for path in ("/-/upstreams", "/-/live")),
    ],
)
@pytest.mark.debian
def test_the_admin_listener_answers(target: Target, path: str) -> None:
    """The target's own pages are at the admin address, and not at the public one."""
    admin = free_port()
    with serving(target, {"prefix": "/x"}, admin={"address": f"127.0.0.1:{admin}"}) as (plane, _):
        assert Plane(admin, plane.log).ask("GET", path).status == 200
        assert plane.ask("GET", path).status == 404
