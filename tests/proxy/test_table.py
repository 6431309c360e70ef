"""Compiling a document: what does not fit together is refused, what fits is found."""

from __future__ import annotations

import itertools
import json
import time
import timeit
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler_proxy.config import Route
from strangler_proxy.document.loading import load
from strangler_proxy.errors import Finding, TableRefused
from strangler_proxy.paths import canonical, is_internal
from strangler_proxy.table import Table, compile_table, load_table, load_table_file
from tests.proxy.tables import HOSTS, SAMPLE, document_with, documents, paths

RULES = "    request:\n      prefix: "

# What is replaced in the sample, by what, the text whose line is named, the path, the reason.
FAULTS = [
    ("127.0.0.1:8009", "127.0.0.1:8000", "127.0.0.1:8000\nauth", "$.admin.address",
     "listened on at $.listen[0].address already"),
    ("unix:/run/ficus.sock", "127.0.0.1:70000", "127.0.0.1:70000", "$.listen[1].address",
     "port outside"),
    ("10.0.0.0/8", "10.0.0.0/33", "trusted", "$.listen[0].trusted_proxies[0]", "not a network"),
    ("  keys:\n", "  keys:\n    file: keys.json\n", "keys:\n", "$.authentication.keys",
     "exactly one of url and file"),
    ("http://127.0.0.1:8001/.well", "ftp://127.0.0.1/.well", "url:", "$.authentication.keys.url",
     "is not an http or https URL"),
    ("  audience: ficus", "  audience: ficus\n  algorithms: []", "algo",
     "$.authentication.algorithms", "no token could be verified"),
    ("      role: origin", "      role: origin\n    dns: {name: a, port: 1}", "payment:\n    reg",
     "$.upstreams.payment", "exactly one of instances, dns and registry"),
    ("127.0.0.1:9001", "127.0.0.1:9000", "127.0.0.1:9000\n        weight",
     "$.upstreams.shop.instances[1].address", "stands there twice"),
    ("127.0.0.1:9001", "127.0.0.1:0", "127.0.0.1:0", "$.upstreams.shop.instances[1].address",
     "port outside"),
    ("      interval_seconds: 2", "      timeout_seconds: 3", "timeout",
     "$.upstreams.shop.health.timeout_seconds", "longer than interval_seconds"),
    ("      interval_seconds: 2", "      statuses: []", "statuses",
     "$.upstreams.shop.health.statuses", "none is healthy"),
    ("    health:\n", "    outliers: {eject_seconds: 9, max_eject_seconds: 8}\n    health:\n",
     "outliers", "$.upstreams.shop.outliers.max_eject_seconds", "less than eject_seconds"),
    ("    health:\n", "    breaker: {probes: 9}\n    bulkhead: {concurrent: 8}\n    health:\n",
     "breaker", "$.upstreams.shop.breaker.probes", "more than the bulkhead lets through"),
    ("    health:\n", "    tls: {key: k.pem}\n    health:\n", "tls", "$.upstreams.shop.tls",
     "certificate and key go together"),
    ("    monolith: shop\n    service: pay", "    monolith: shops\n    service: pay", "shops",
     "$.capabilities.payment.monolith", "no upstream shops"),
    ("    service: payment\n", "    service: payments\n", "service: payments",
     "$.capabilities.payment.service", "no upstream payments"),
    ("    service: payment\n", "", "payment:\n    monolith", "$.capabilities.payment",
     "phase canary needs a service"),
    ("    service: payment\n", "    service: shop\n", "service: shop",
     "$.capabilities.payment.service", "is the monolith itself"),
    ("phase: canary", "phase: extracted", "percent: 25", "$.capabilities.payment.percent",
     "phase canary only; this is extracted"),
    ("role: origin", "role: own", "service: payment", "$.capabilities.payment.service",
     "phase canary needs instances of role origin"),
    ("phase: canary\n    percent: 25", "phase: retired", "service: payment",
     "$.capabilities.payment.service", "phase retired needs instances of role own"),
    ("      upstream: cart\n", "      upstream: carts\n", "upstream: carts",
     "$.capabilities.cart.mirror.upstream", "no upstream carts"),
    ("      upstream: cart\n", "      upstream: shop\n", "upstream: shop\n      percent",
     "$.capabilities.cart.mirror.upstream", "is the monolith"),
    ("      percent: 50\n", "      confirm_seconds: 1\n", "confirm_seconds",
     "$.capabilities.cart.mirror.confirm_seconds", "set record"),
    ("      percent: 50\n", "      record: true\n", "record", "$.capabilities.cart.mirror.record",
     "needs a folder"),
    ("revision: 7", "shared_limits: {redis: 'localhost:6379'}", "shared", "$.shared_limits.redis",
     "is not a redis, rediss or unix URL"),
    ("- name: search", "- name: cart", "name: cart\n    prefix: /api/v1/search",
     "$.routes[3].name", "the name of $.routes[2] already"),
    ("/api/v1/search", "/api/v1/cart", "prefix: /api/v1/cart\n    methods", None, None),
    ("prefix: /api/v1/search", "prefix: /api/v1/search/", "/search/", "$.routes[3].prefix",
     "write /api/v1/search"),
    ("/api/v1/search", "/api//search", "/api//search", "$.routes[3].prefix", "never matches"),
    ("/api/v1/search", "/api/../search", "/api/..", "$.routes[3].prefix", "never matches"),
    ("/api/v1/search", "/api/%73earch", "/api/%73", "$.routes[3].prefix", "never matches"),
    ("/api/v1/search", "/rpc/search", "/rpc", "$.routes[3].prefix", "never routed"),
    ("/api/v1/search", "/RPC", "/RPC", "$.routes[3].prefix", "never routed"),
    ("    upstream: search\n", f"    upstream: search\n{RULES}/Rpc/x\n", "prefix: /Rpc",
     "$.routes[3].request.prefix", "never routed"),
    ("    upstream: search\n", f"    upstream: search\n{RULES}/%72pc\n", "prefix: /%72",
     "$.routes[3].request.prefix", "ambiguous"),
    ("    upstream: search\n", f"    upstream: search\n{RULES}//\n", "prefix: //",
     "$.routes[3].request.prefix", "ambiguous"),
    ("    upstream: search\n", "", "- name: search", "$.routes[3]", "exactly one of capability"),
    ("    upstream: search\n", "    upstream: find\n", "upstream: find", "$.routes[3].upstream",
     "no upstream find"),
    ("    upstream: search\n", "    upstream: search\n    capability: cart\n", "- name: search",
     "$.routes[3]", "exactly one of capability"),
    ("    capability: cart\n", "    capability: carts\n", "capability: carts",
     "$.routes[2].capability", "no capability carts"),
    ("rate_limits: [orders]", "rate_limits: [orders, all]", "rate_limits: [",
     "$.routes[1].rate_limits[1]", "no rate limit all"),
    ("rate_limits: [orders]", "rate_limits: [orders, orders]", "rate_limits: [",
     "$.routes[1].rate_limits", "names one twice"),
    ("[GET, HEAD]", "[GET, CONNECT]", "[GET, CON", "$.routes[3].methods", "CONNECT is never"),
    ("[GET, HEAD]", "[GET, GET]", "[GET, GET", "$.routes[3].methods", "names one twice"),
    ('    scopes: ["payment:read"]\n    rate_limits: [orders]\n',
     '    scopes: ["payment:read"]\n    authentication: optional\n', "scopes",
     "$.routes[1].scopes", "unless authentication is required"),
    ('scopes: ["payment:read"]', 'scopes: ["payment read"]', "scopes", "$.routes[1].scopes[0]",
     "is not a scope"),
    ("      stale: true", "      stale: true\n      upstream: search", "fallback:\n      stale",
     "$.routes[2].fallback", "exactly one of upstream, answer and stale"),
    ("    cache:\n      default_seconds: 1\n", "", "stale: true", "$.routes[2].fallback.stale",
     "needs a cache on cart"),
    ("      stale: true", "      upstream: shop", "upstream: shop\n  - name: search",
     "$.routes[2].fallback.upstream", "points at shop"),
    ("      upstream: shop\n  - name: staff", "      upstream: search\n  - name: staff",
     "upstream: search\n  - name: staff", "$.routes[3].fallback.upstream", "points at search"),
    ("      upstream: shop\n  - name: staff", "      upstream: shops\n  - name: staff",
     "upstream: shops", "$.routes[3].fallback.upstream", "no upstream shops"),
    ("      upstream: shop\n  - name: staff",
     "      upstream: shop\n      statuses: []\n  - name: staff", "statuses",
     "$.routes[3].fallback.statuses", "never be used"),
    ("    cache:\n", "    upgrade: [websocket]\n    cache:\n", "cache:", "$.routes[2].cache",
     "excludes upgrade"),
    ("    answer:\n", "    mirror: {upstream: shop}\n    answer:\n", "mirror: {upstream: shop}",
     "$.routes[0].mirror", "fixed answer"),
    ("      status: 200\n", "      status: 204\n", "body: ok", "$.routes[0].answer.body",
     "an answer 204 has none"),
    ("      status: 200\n", "      status: 200\n      headers: {Content-Length: '2'}\n",
     "headers", "$.routes[0].answer.headers.Content-Length", "frames the message"),
    ("    upstream: search\n", "    upstream: search\n    mirror: {upstream: search}\n",
     "mirror: {upstream: search}", "$.routes[3].mirror.upstream", "answers this route already"),
    ("    capability: cart\n", "    capability: cart\n    mirror: {upstream: cart}\n",
     "mirror: {upstream: cart}", "$.routes[2].mirror.upstream", "stands at the capability"),
    ("    upstream: search\n",
     "    upstream: search\n    response: {headers: {set: {Connection: close}}}\n", "response:",
     "$.routes[3].response.headers.set.Connection", "frames the message"),
]  # fmt: skip


def refused(text: str) -> tuple[Finding, ...]:
    with pytest.raises(TableRefused) as caught:
        load_table(text, "the sample")
    return caught.value.findings


@pytest.mark.parametrize(("old", "new", "at", "path", "reason"), FAULTS)
def test_a_planted_fault_is_named(
    old: str, new: str, at: str, path: str | None, reason: str | None
) -> None:
    """Each fault is found with its line, its path and a reason; what is no fault compiles."""
    assert SAMPLE.count(old) >= 1
    text = SAMPLE.replace(old, new, 1)
    if path is None or reason is None:
        load_table(text)  # the same prefix is fine as long as one names methods
        return
    findings = refused(text)
    found = [f for f in findings if f.path == path and reason in f.reason]
    assert found, findings
    assert found[0].line == text[: text.index(at)].count("\n") + 1


def test_the_sample_compiles() -> None:
    """A document without faults becomes a table of the same revision."""
    table = load_table(SAMPLE)
    assert table.revision == 7
    assert table.document == load(SAMPLE)
    assert [route.name for route in table.routes] == [r.name for r in table.document.routes]


def test_all_faults_are_named_at_once() -> None:
    """One refusal has every fault, each once, in the order of lines."""
    text = SAMPLE
    for old, new in (
        ("service: payment\n", "service: payments\n"),
        ("[orders]", "[all]"),
        ("prefix: /api/v1/search", "prefix: /rpc"),
        ("weight: 2", "weight: 3"),
    ):
        text = text.replace(old, new, 1)
    findings = refused(text)
    assert [f.path for f in findings] == [
        "$.capabilities.payment.service",
        "$.routes[1].rate_limits[0]",
        "$.routes[3].prefix",
    ]
    assert len({f.line for f in findings}) == 3


def test_a_refusal_reads_as_a_list(tmp_path: Any) -> None:
    """The message names the file, and for each fault line, path and reason."""
    path = tmp_path / "routes.yaml"
    path.write_text(SAMPLE.replace("[orders]", "[all]"))
    with pytest.raises(TableRefused) as caught:
        load_table_file(path)
    line = SAMPLE[: SAMPLE.index("[orders]")].count("\n") + 1
    assert str(caught.value) == (
        f"{path} is refused:\n  line {line}: $.routes[1].rate_limits[0]: there is no rate limit all"
    )


def test_a_document_without_text_is_refused_without_lines() -> None:
    """A document that was changed in memory has findings, only their lines are not known."""
    document = load(SAMPLE.replace("[orders]", "[all]"))
    with pytest.raises(TableRefused) as caught:
        compile_table(document)
    assert [(f.path, f.line) for f in caught.value.findings] == [
        ("$.routes[1].rate_limits[0]", None)
    ]


def test_credentials_need_a_section() -> None:
    """Without ``authentication`` each route must say that it asks for none."""
    start, end = SAMPLE.index("authentication:\n"), SAMPLE.index("rate_limits:\n")
    findings = refused(SAMPLE[:start] + SAMPLE[end:])
    assert [f.path for f in findings] == [
        f"$.routes[{index}].authentication" for index in (1, 2, 4)
    ]


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ({}, {}, True),
        ({"methods": ["GET"]}, {"methods": ["GET", "POST"]}, True),
        ({"methods": ["GET"]}, {"methods": ["POST"]}, False),
        ({"methods": ["GET"]}, {}, False),
        ({"hosts": ["a.example.org"]}, {"hosts": ["b.example.org", "a.example.org"]}, True),
        ({"hosts": ["a.example.org"]}, {"hosts": ["*.example.org"]}, False),
        ({"hosts": ["a.example.org"]}, {}, False),
        ({"exact": True}, {}, False),
        ({"exact": True}, {"exact": True}, True),
        ({"prefix": "/b"}, {}, False),
    ],
)
def test_routes_that_would_get_nothing_are_refused(
    first: dict[str, Any], second: dict[str, Any], clash: bool
) -> None:
    """Two routes for the same host, path and method cannot both be meant."""
    base = {"prefix": "/a", "upstream": "shop", "authentication": "none"}
    text = json.dumps(
        document_with([base | {"name": "one"} | first, base | {"name": "two"} | second])
    )
    if clash:
        assert "one stands before it" in refused(text)[0].reason
    else:
        load_table(text)


# ---------------------------------------------------------------- searching


def table_of(*routes: dict[str, Any]) -> Table:
    base = {"upstream": "shop", "authentication": "none"}
    named = [base | {"name": f"r{number}"} | route for number, route in enumerate(routes)]
    return load_table(json.dumps(document_with(named)))


def found(table: Table, path: bytes, host: bytes = b"", method: bytes = b"GET") -> str | None:
    entry = table.find(host, path)
    route = entry.routes.get(method, entry.other) if entry is not None else None
    return route.settings.prefix if route is not None else None


def test_a_prefix_ends_at_a_segment() -> None:
    """``/api/v1/cart`` has itself and what is below, not ``/api/v1/cartoon``."""
    table = table_of({"prefix": "/api/v1/cart"}, {"prefix": "/api"})
    for path in (b"/api/v1/cart", b"/api/v1/cart/", b"/api/v1/cart/x/y"):
        assert found(table, path) == "/api/v1/cart"
    for path in (b"/api/v1/cartoon", b"/api/v1", b"/api/", b"/api"):
        assert found(table, path) == "/api"
    assert found(table, b"/apis") is None


def test_the_root_has_everything() -> None:
    """The prefix ``/`` matches every path; exactly ``/`` only itself."""
    table = table_of({"prefix": "/"})
    assert {found(table, path) for path in (b"/", b"/x", b"/x/y/")} == {"/"}
    table = table_of({"prefix": "/", "exact": True})
    assert found(table, b"/") == "/"
    assert found(table, b"/x") is None


def test_an_exact_path_comes_before_prefixes() -> None:
    """Also a slash at the end makes it another path."""
    table = table_of({"prefix": "/a/b"}, {"prefix": "/a/b", "exact": True, "methods": ["PUT"]})
    assert table.find(b"", b"/a/b").routes  # type: ignore[union-attr]
    assert found(table, b"/a/b/") == "/a/b"


def test_hosts_are_searched_from_the_most_specific() -> None:
    """A named host before a suffix, a longer suffix before a shorter one, then any."""
    table = table_of(
        {"prefix": "/"},
        {"prefix": "/s", "hosts": ["*.example.org"]},
        {"prefix": "/l", "hosts": ["*.a.example.org"]},
        {"prefix": "/e", "hosts": ["b.a.example.org"]},
        {"prefix": "/e/x", "hosts": ["*.example.org"]},
    )
    host = b"b.a.example.org"
    assert [found(table, path, host) for path in (b"/e", b"/l", b"/s", b"/z")] == [
        "/e",
        "/l",
        "/s",
        "/",
    ]
    assert found(table, b"/e/x", host) == "/e"  # the host counts more than the prefix
    assert found(table, b"/e/x", b"c.example.org") == "/e/x"
    assert found(table, b"/s", b"example.org") == "/"  # a suffix is not itself
    assert found(table, b"/e", b"b.a.example.org.") == "/e"  # the root of names may be written
    assert found(table, b"/s", b"") == "/"


def rank(route: Route, host: str) -> tuple[int, int]:
    """How specific: named, longest suffix, any; (-1, 0) for another host."""
    if not route.hosts:
        return (0, 0)
    best = (-1, 0)
    for pattern in route.hosts:
        if pattern == host:
            best = max(best, (2, 0))
        elif pattern.startswith("*.") and host.endswith(pattern[1:]) and host != pattern[1:]:
            best = max(best, (1, len(pattern)))
    return best


def oracle(table: Table, host: str, path: bytes, method: str) -> set[str | None]:
    """The search again, slowly: every route is compared with every other."""
    text = path.decode()
    fitting = []
    for route in table.document.routes:
        inside = text.startswith(route.prefix.rstrip("/") + "/")
        fits = text == route.prefix if route.exact else text == route.prefix or inside
        if fits and rank(route, host) >= (0, 0):
            fitting.append(((*rank(route, host), route.exact, len(route.prefix)), route))
    best = [route for key, route in fitting if key == max(key for key, _ in fitting)]
    named = [route.name for route in best if method in route.methods]
    return set(named or [route.name for route in best if not route.methods] or [None])


@settings(deadline=None, max_examples=100)
@given(documents(), st.lists(paths(), min_size=1, max_size=8))
def test_the_longest_prefix_is_found(values: dict[str, Any], many: list[bytes]) -> None:
    """The search finds what a naive one finds, for every host and method."""
    table = load_table(json.dumps(values))
    for path, host in itertools.product(many, HOSTS):
        plain = canonical(path)
        assert isinstance(plain, bytes)
        if is_internal(plain):
            continue
        for method in ("GET", "POST", "DELETE"):
            entry = table.find(host.encode(), plain)
            route = entry.routes.get(method.encode(), entry.other) if entry is not None else None
            assert {route.name if route else None} == oracle(table, host, plain, method)


def test_a_search_in_a_hundred_routes_is_short() -> None:
    """Its time does not grow with the number of routes, and not without bound with the path's."""

    def seconds(routes: int, path: bytes, times: int) -> float:
        table = table_of(*({"prefix": f"/api/v1/m{number}"} for number in range(routes)))
        search = timeit.Timer(lambda: table.find(b"", path), timer=time.thread_time)
        return min(search.repeat(repeat=7, number=times)) / times

    few, many = seconds(5, b"/api/v1/m4/x/y", 2000), seconds(100, b"/api/v1/m4/x/y", 2000)
    assert many < 3 * few
    # A step for each segment would take some 10,000 times as long.
    assert seconds(5, b"/x" * 16_384, 5) < 1000 * few
