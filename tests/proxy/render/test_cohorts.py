"""Cohorts at real data planes: who is in a canary here is in it there."""

from __future__ import annotations

import pytest
import xxhash

from strangler_proxy.config import Document
from strangler_proxy.render import Severity, Target, render
from tests.ports import free_port
from tests.proxy.render.documents import document
from tests.proxy.render.echo import Upstream, upstreams
from tests.proxy.render.planes import running, sides_of_keys

PERCENT = 30
KEYS = [f"user-{number}" for number in range(10_000)]


def canary(port: int, servers: dict[str, Upstream], percent: int = PERCENT) -> Document:
    """One route to a capability in canary, by header, by cookie, or by address."""
    return document(
        listen=[{"address": f"127.0.0.1:{port}", "limits": {"connections": 500}}],
        access_log={"path": None},
        upstreams={
            name: {"instances": [{"address": server.address}], "breaker": None, "outliers": None}
            for name, server in servers.items()
        },
        capabilities={
            "payment": {
                "monolith": "shop",
                "service": "payment",
                "phase": "canary",
                "percent": percent,
            }
        },
        routes=[
            {
                "name": "payment",
                "prefix": "/",
                "capability": "payment",
                "authentication": "none",
                "sticky": ["header:X-Key", "cookie:visitor"],
            }
        ],
    )


def by_header(key: str) -> bytes:
    """A request with the key in a header."""
    return b"GET /pay HTTP/1.1\r\nhost: a\r\nx-key: %b\r\n\r\n" % key.encode()


def by_cookie(key: str) -> bytes:
    """The same in a cookie among others."""
    return b"GET / HTTP/1.1\r\nhost: a\r\ncookie: a=1; visitor=%b; b=2\r\n\r\n" % key.encode()


def expected(key: str, percent: int = PERCENT) -> str:
    """The side by definition: XXH64 modulo 100, the last buckets are in."""
    bucket = xxhash.xxh64_intdigest(key.encode()) % 100
    return "payment" if bucket >= 100 - percent else "shop"


@pytest.mark.parametrize(
    "target", [Target.ENVOY, pytest.param(Target.HAPROXY, marks=pytest.mark.debian)]
)
def test_cohorts_are_identical_for_ten_thousand_keys(target: Target) -> None:
    """Every key of 10,000 is answered by the side that the front door would choose."""
    port = free_port()
    with upstreams("shop", "payment") as servers:
        rendering = render(canary(port, servers), target)
        with running(target, rendering, port):
            found = sides_of_keys(port, KEYS, by_header)
            cookies = sides_of_keys(port, KEYS[:1000], by_cookie)
    assert found == {key: expected(key) for key in KEYS}
    assert cookies == {key: expected(key) for key in KEYS[:1000]}


@pytest.mark.parametrize(
    "target", [Target.ENVOY, pytest.param(Target.HAPROXY, marks=pytest.mark.debian)]
)
def test_requests_without_a_key_stay_with_the_monolith(target: Target) -> None:
    """A canary of 99 percent does not get who has neither header nor cookie."""
    port = free_port()
    with upstreams("shop", "payment") as servers:
        rendering = render(canary(port, servers, 99), target)
        with running(target, rendering, port) as plane:
            assert {plane.ask("GET", "/").outcome for _ in range(10)} == {"shop"}


def negative_multiple_of_100() -> str:
    """A key whose hash is negative as a signed number, and 0 modulo 100 then."""
    for number in range(1_000_000):
        value = xxhash.xxh64_intdigest(f"key-{number}".encode())
        if value >= 1 << 63 and ((1 << 64) - value) % 100 == 0:
            return f"key-{number}"
    raise AssertionError("no such key")


@pytest.mark.debian
def test_haproxys_signed_hash_is_counted_as_unsigned() -> None:
    """A negative hash that is 0 modulo 100 is bucket 16, as 2^64 is 16 modulo 100."""
    key = negative_multiple_of_100()
    assert xxhash.xxh64_intdigest(key.encode()) % 100 == 16
    port = free_port()
    with upstreams("shop", "payment") as servers:
        for percent, side in ((83, "shop"), (84, "payment")):
            rendering = render(canary(port, servers, percent), Target.HAPROXY)
            with running(Target.HAPROXY, rendering, port):
                assert sides_of_keys(port, [key], by_header) == {key: side}


@pytest.mark.debian
def test_nginx_splits_by_its_own_hash_and_says_so() -> None:
    """About so many percent are in, the same ones each time, more as it grows - but others."""
    port = free_port()
    cohorts = []
    with upstreams("shop", "payment") as servers:
        for percent in (PERCENT, PERCENT, 60):
            rendering = render(canary(port, servers, percent), Target.NGINX)
            with running(Target.NGINX, rendering, port) as plane:
                found = sides_of_keys(port, KEYS[:4000], by_header)
                cohorts.append({key for key, side in found.items() if side == "payment"})
                assert {plane.ask("GET", "/").outcome for _ in range(5)} == {"shop"}
    assert 0.27 < len(cohorts[0]) / 4000 < 0.33
    assert cohorts[0] == cohorts[1] < cohorts[2]
    assert cohorts[0] != {key for key in KEYS[:4000] if expected(key) == "payment"}
    note = next(note for note in rendering.notes if note.path == "$.routes[0].sticky")
    assert note.severity is Severity.APPROXIMATED
    assert "MurmurHash2" in note.reason


def test_the_gateway_apis_split_is_reported_as_random() -> None:
    """Its weights are for requests, not for clients: that is lost, not approximated."""
    with upstreams("shop", "payment") as servers:
        rendering = render(canary(8000, servers), Target.GATEWAY_API)
    assert "$.routes[0].sticky" in {note.path for note in rendering.lost}
    assert "weight: 70" in rendering.files["gateway.yaml"]
