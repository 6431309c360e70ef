"""Requests that the routing of a document must tell apart, and what the front door does."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from strangler_proxy.auth.authenticator import Authenticator
from strangler_proxy.auth.keys import KeySet
from strangler_proxy.config import Document
from strangler_proxy.decision import decide
from strangler_proxy.explain import PlainRequest
from strangler_proxy.table import compile_table
from tests.proxy.issuing import AUDIENCE, ISSUER, Issuer
from tests.proxy.render.documents import document
from tests.proxy.render.echo import Upstream

NAMES = ("shop", "payment", "cart", "search", "spare")


def routing_document(port: int, servers: dict[str, Upstream], **more: Any) -> Document:
    """Hosts, exact paths, prefixes within prefixes, methods, answers, and every phase."""
    open_to_all: dict[str, Any] = {"authentication": "none"}
    plain: dict[str, Any] = {"upstream": "shop"} | open_to_all
    return document(
        listen=[{"address": f"127.0.0.1:{port}", "limits": {"connections": 500}}],
        access_log={"path": None},
        upstreams={
            name: {"instances": [{"address": server.address}]} for name, server in servers.items()
        },
        capabilities={
            "payment": {"monolith": "shop", "service": "payment", "phase": "canary"}
            | {"percent": 50},
            "cart": {"monolith": "shop", "service": "cart", "phase": "extracted"},
            "search": {"monolith": "shop", "service": "search", "phase": "shadow"},
            "orders": {"monolith": "shop", "service": "spare", "phase": "retired"},
            "wishlist": {"monolith": "shop", "service": "spare"},
        },
        routes=[
            {"name": "payment", "prefix": "/api/v1/payment", "capability": "payment"}
            | open_to_all
            | {"sticky": ["header:X-Key", "address"]},
            {"name": "cart", "prefix": "/api/v1/cart", "capability": "cart"} | open_to_all,
            {"name": "search", "prefix": "/api/v1/search", "capability": "search"} | open_to_all,
            {"name": "orders", "prefix": "/api/v1/orders", "capability": "orders"} | open_to_all,
            {"name": "wishlist", "prefix": "/api/v1/wishlist", "capability": "wishlist"}
            | open_to_all,
            {"name": "api", "prefix": "/api", "upstream": "spare"} | open_to_all,
            {"name": "only", "prefix": "/only", "exact": True, "upstream": "cart"} | open_to_all,
            {"name": "below", "prefix": "/only/below", "upstream": "search"} | open_to_all,
            {"name": "read", "prefix": "/files", "methods": ["GET", "HEAD"], "upstream": "cart"}
            | open_to_all,
            {"name": "write", "prefix": "/files", "methods": ["PUT"], "upstream": "search"}
            | open_to_all,
            {"name": "any", "prefix": "/mixed", "upstream": "spare"} | open_to_all,
            {"name": "posts", "prefix": "/mixed", "methods": ["POST"], "upstream": "cart"}
            | open_to_all,
            {"name": "closed", "prefix": "/closed", "answer": {"status": 410, "body": "gone"}}
            | open_to_all,
            {"name": "stripped", "prefix": "/stripped", "request": {"prefix": "/"}} | plain,
            {"name": "moved", "prefix": "/moved", "request": {"prefix": "/to/there"}} | plain,
            {"name": "own", "prefix": "/", "hosts": ["own.test"], "upstream": "search"}
            | open_to_all,
            {"name": "own_api", "prefix": "/api/v2", "hosts": ["own.test"], "upstream": "cart"}
            | open_to_all,
            {"name": "few", "prefix": "/few", "hosts": ["few.test"], "upstream": "search"}
            | open_to_all,
            {"name": "wild", "prefix": "/wild", "hosts": ["*.wild.test"], "upstream": "search"}
            | open_to_all,
            {"name": "wilder", "prefix": "/wild", "hosts": ["*.a.wild.test"], "upstream": "cart"}
            | open_to_all,
            {"name": "root", "prefix": "/"} | plain,
        ],
        **more,
    )


@dataclass(frozen=True)
class Case:
    """A request."""

    target: str
    method: str = "GET"
    host: str = "shop.test"
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        fields = "".join(f" {name}={value[:20]}" for name, value in self.headers.items())
        return f"{self.method} {self.host}{self.target}{fields}"


CASES = [
    *(Case(f"/api/v1/{name}") for name in ("payment", "cart", "search", "orders", "wishlist")),
    *(Case("/api/v1/payment/p1", headers={"X-Key": f"user-{n}"}) for n in range(20)),
    *(Case(target) for target in ("/", "/x", "/api", "/api/", "/apix", "/api/v1/payments")),
    *(Case(target) for target in ("/api/v1/cart/", "/api/v1/cart/x/y?z=/api/v1/search", "/api?x")),
    *(Case(target) for target in ("/only", "/only/", "/only?x=1", "/only/x", "/only/below/x")),
    *(Case("/files/a", method) for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")),
    *(Case("/mixed", method) for method in ("GET", "POST", "DELETE")),
    *(Case(target) for target in ("/closed", "/closed/x", "/closedx", "/stripped/x", "/moved/x")),
    *(Case(target, host="own.test") for target in ("/", "/api", "/api/v2/x", "/api/v1/cart")),
    *(Case("/api/v2", host=host) for host in ("OWN.test", "own.test:8080", "own.test.", "o.test")),
    *(Case(target, host="few.test") for target in ("/few", "/few/x", "/fewer", "/api/v1/cart")),
    *(
        Case("/wild/x", host=host)
        for host in ("wild.test", "x.wild.test", "a.wild.test", "x.a.wild.test", "xwild.test")
    ),
    Case("/api/v1/cart", host="x.wild.test"),
    *(
        Case(target)
        for target in (
            *("/rpc", "/rpc/", "/rpc/payment", "/RPC/x", "/rpc;a=1/x", "//rpc", "/rpcs", "/x/rpc"),
            *("/%72pc", "/%72%70%63/x", "/%2572pc", "/stripped/rpc", "/stripped/rpc/x"),
            *("/stripped//rpc", "/stripped/rpcs", "/rpc%2fx", "/rpc%3bx", "/rpc?x"),
        )
    ),
    *(
        Case(target)
        for target in (
            *("/a/..", "/a/../api", "/..", "/.", "/a/./b", "/a/%2e%2e/b", "/a/.%2E", "/a/..;x/b"),
            *("/a%2fb", "/a%5Cb", "/a\\b", "/a%", "/a%4", "/a%zz", "/a%00b", "/a%7f", "/a%0ab"),
            *("/...", "/.well-known/x", "/a.b/c..d", "/a%20b", "/a%C3%A4", "/a?b=../c", "/a?%zz"),
        )
    ),
    *(Case(target) for target in ("//api//v1//cart", "/api//v1/cart/x", "/api/v1/cart//x")),
]


class Published:
    """Keys as the authenticator needs them."""

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys

    def ask(self) -> None:
        """Nothing more is published."""


def expected(whole: Document, case: Case, now: float, keys: KeySet | None = None) -> str | int:
    """What the front door decides: the upstream's name, or the status that it answers."""
    table = compile_table(whole)
    host = case.host.lower().removesuffix(":8080")
    request = PlainRequest(
        method=case.method.encode(),
        target=case.target.encode(),
        path=case.target.partition("?")[0].encode(),
        host=host.encode(),
        headers={name.lower().encode(): value.encode() for name, value in case.headers.items()},
    )
    rules = whole.authentication
    authenticator = Authenticator(rules, Published(keys or {})) if rules else None

    def identify(asked: Any, when: float) -> Any:
        return authenticator.identify(asked, when) if authenticator else None

    decision = decide(request, table, now, random.Random(1), identify=identify)
    if decision.refusal is not None:
        return decision.refusal.status
    if decision.upstream:
        return decision.upstream
    route = decision.route
    assert route is not None
    assert route.settings.answer is not None
    return route.settings.answer.status


def authentication(issuer: Issuer, file: str, **more: Any) -> dict[str, Any]:
    """The section of a document for tokens of ``issuer``, published in ``file``."""
    return {
        "keys": {"file": file},
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": [issuer.algorithm],
        **more,
    }
