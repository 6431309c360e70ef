"""Routing documents, requests and identities for the tests of table and decision."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from strangler_proxy.auth.identity import Identity
from strangler_proxy.config import Phase
from strangler_proxy.decision import Decision, decide
from strangler_proxy.errors import Refusal
from strangler_proxy.explain import PlainRequest
from strangler_proxy.table import Table

SAMPLE = """\
version: 1
revision: 7
listen:
  - address: 127.0.0.1:8000
    trusted_proxies: [10.0.0.0/8]
  - address: unix:/run/ficus.sock
admin:
  address: 127.0.0.1:8009
authentication:
  keys:
    url: http://127.0.0.1:8001/.well-known/jwks.json
  issuer: https://shop.example.org
  audience: ficus
rate_limits:
  orders:
    requests: 20
    seconds: 1
upstreams:
  shop:
    instances:
      - address: 127.0.0.1:9000
      - address: 127.0.0.1:9001
        weight: 2
    health:
      interval_seconds: 2
  payment:
    registry:
      role: origin
  cart:
    dns:
      name: cart.default.svc
      port: 8000
  search:
    instances:
      - address: "[::1]:9100"
capabilities:
  payment:
    monolith: shop
    service: payment
    phase: canary
    percent: 25
    epoch: 3
  cart:
    monolith: shop
    service: cart
    phase: shadow
    mirror:
      upstream: cart
      percent: 50
routes:
  - name: health
    prefix: /healthz
    exact: true
    authentication: none
    answer:
      status: 200
      body: ok
  - name: payment
    prefix: /api/v1/payment
    capability: payment
    scopes: ["payment:read"]
    rate_limits: [orders]
  - name: cart
    prefix: /api/v1/cart
    capability: cart
    authentication: optional
    sticky: [identity, "header:Cart-Token", address]
    cache:
      default_seconds: 1
    fallback:
      stale: true
  - name: search
    prefix: /api/v1/search
    methods: [GET, HEAD]
    upstream: search
    authentication: none
    fallback:
      upstream: shop
  - name: staff
    prefix: /
    hosts: [staff.example.org, "*.staff.example.org"]
    upstream: shop
  - name: rest
    prefix: /
    upstream: shop
    authentication: none
"""

CUSTOMER = Identity("cus_1", frozenset({"payment:*"}), 9e9, staff=False)
STAFF = Identity("usr_1", frozenset({"*"}), 9e9, staff=True)


def asked(
    method: str = "GET",
    target: str | bytes = "/",
    host: str = "shop.example.org",
    address: str = "192.0.2.7",
    **headers: str,
) -> PlainRequest:
    """A request; ``ficus_route="service"`` is the header Ficus-Route."""
    sent = target if isinstance(target, bytes) else target.encode()
    fields = {
        name.replace("_", "-").lower().encode(): value.encode() for name, value in headers.items()
    }
    path = sent.partition(b"?")[0]
    return PlainRequest(method.encode(), sent, path, host.encode(), fields, address)


def decided(
    table: Table,
    request: PlainRequest,
    identity: Identity | Refusal | None = None,
    seed: int = 0,
) -> Decision:
    """The decision when credentials say ``identity``."""
    return decide(
        request, table, 0.0, random.Random(seed), identify=lambda _request, _now: identity
    )


def document_with(
    routes: list[dict[str, Any]], capabilities: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A document as plain values, with upstreams ``shop``, ``service``, ``own`` and ``other``."""
    upstreams: dict[str, Any] = {
        name: {"instances": [{"address": f"127.0.0.1:{9000 + number}"}]}
        for number, name in enumerate(("shop", "service", "other"))
    }
    upstreams["own"] = {"registry": {"role": "own"}}
    return {
        "version": 1,
        "listen": [{"address": "127.0.0.1:8000"}],
        "authentication": {"keys": {"file": "keys.json"}, "issuer": "i", "audience": "a"},
        "upstreams": upstreams,
        "capabilities": capabilities or {},
        "routes": routes,
    }


def moving(phase: str, percent: int = 0, **more: Any) -> dict[str, Any]:
    """A document whose only route leads to a capability in that phase."""
    capability = {"monolith": "shop", "service": "service", "phase": phase, "percent": percent}
    route = {"name": "all", "prefix": "/", "capability": "one", "authentication": "optional"}
    route |= {name: more.pop(name) for name in ("sticky", "mirror", "methods") if name in more}
    return document_with([route], {"one": capability | more})


# ---------------------------------------------------------------- Hypothesis

SEGMENTS = ("api", "apis", "v1", "cart", "cartoon", "rpcs", "a.b")
HOSTS = ("shop.example.org", "a.example.org", "b.a.example.org", "example.org", "[::1]", "")
PATTERNS = ("shop.example.org", "a.example.org", "*.example.org", "*.a.example.org", "[::1]")
METHODS = ("GET", "POST", "PUT", "OPTIONS")


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Documents that are right, with overlapping routes in every phase."""
    names = st.lists(st.sampled_from(SEGMENTS), max_size=3)
    routes: list[dict[str, Any]] = []
    taken: set[tuple[str, str, bool, str]] = set()
    capabilities = draw(_capabilities())
    for number in range(draw(st.integers(1, 8))):
        route: dict[str, Any] = {
            "name": f"r{number}",
            "prefix": "/" + "/".join(draw(names)),
            "exact": draw(st.booleans()),
            "hosts": draw(st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True)),
            "methods": draw(st.lists(st.sampled_from(METHODS), max_size=2, unique=True)),
            "authentication": draw(st.sampled_from(("required", "optional", "none"))),
        }
        keys = {
            (host, route["prefix"], route["exact"], method)
            for host in route["hosts"] or [""]
            for method in route["methods"] or [""]
        }
        if keys & taken:
            continue
        taken |= keys
        routes.append(route | draw(_targets(route["authentication"])))
    return document_with(routes, capabilities)


@st.composite
def _capabilities(draw: st.DrawFn) -> dict[str, Any]:
    capabilities = {}
    for name in ("one", "two"):
        phase = draw(st.sampled_from(Phase))
        services = ["service"] if phase is Phase.CANARY else ["service", "own"]
        capability: dict[str, Any] = {
            "monolith": "shop",
            "phase": phase.value,
            "service": draw(st.sampled_from(services)),
            "held": draw(st.booleans()),
            "epoch": draw(st.integers(0, 9)),
        }
        if phase is Phase.CANARY:
            capability["percent"] = draw(st.integers(0, 100))
        if phase is Phase.MONOLITH and draw(st.booleans()):
            del capability["service"]
        if draw(st.booleans()):
            percent = draw(st.integers(0, 100))
            capability["mirror"] = {"upstream": "other", "percent": percent}
        capabilities[name] = capability
    return capabilities


@st.composite
def _targets(draw: st.DrawFn, demand: str) -> dict[str, Any]:
    kind = draw(st.sampled_from(("capability", "capability", "upstream", "answer")))
    if kind == "answer":
        return {"answer": {"status": 200}}
    target: dict[str, Any] = {kind: "shop" if kind == "upstream" else "one"}
    if kind == "capability":
        target[kind] = draw(st.sampled_from(("one", "two")))
        keys = ("identity", "address", "header:X-Key", "cookie:side")
        target["sticky"] = draw(st.lists(st.sampled_from(keys), min_size=1, unique=True))
    if demand == "required":
        target["scopes"] = draw(st.sampled_from(([], ["payment:read"])))
    if draw(st.booleans()):
        target["mirror"] = {"upstream": "other", "percent": draw(st.integers(0, 100))}
    if draw(st.booleans()):
        target["request"] = {"prefix": "/"}
    return target


@st.composite
def paths(draw: st.DrawFn) -> bytes:
    """Paths that hit and nearly hit those routes."""
    parts = draw(st.lists(st.sampled_from((*SEGMENTS, "rpc", "")), max_size=5))
    return ("/" + "/".join(parts)).encode()


@st.composite
def requests(draw: st.DrawFn) -> PlainRequest:
    """Requests of every kind, also such as no parser lets through."""
    odd = st.sampled_from((b"*", b"", b"host:443", b"http://a.example.org/api", b"/%2e%2e/", b"/%"))
    path = draw(st.one_of(paths(), odd, st.binary(max_size=20)))
    headers: dict[bytes, bytes] = {}
    for name, values in (
        (b"ficus-route", st.sampled_from((b"service", b"monolith", b"Service ", b"both"))),
        (b"x-key", st.binary(max_size=8)),
        (b"cookie", st.sampled_from((b"side=1", b"a=b; side=\xff", b"side", b";;"))),
        (b"origin", st.just(b"https://shop.example.org")),
        (b"access-control-request-method", st.just(b"POST")),
    ):
        if draw(st.booleans()):
            headers[name] = draw(values)
    return PlainRequest(
        method=draw(st.sampled_from((*METHODS, "DELETE", "HEAD"))).encode(),
        target=path,
        path=path,
        host=draw(st.sampled_from(HOSTS)).encode(),
        headers=headers,
        address=draw(st.sampled_from(("192.0.2.1", "2001:db8::1", ""))),
    )


subjects = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=9)
identities = st.one_of(
    st.none(),
    st.just(Refusal(401, "unauthenticated", "no")),
    st.builds(
        Identity,
        subject=subjects,
        scopes=st.sampled_from((frozenset(), frozenset({"payment:read"}), frozenset({"*"}))),
        expires=st.just(9e9),
        staff=st.booleans(),
    ),
)
